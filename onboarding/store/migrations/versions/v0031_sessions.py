"""Sessions of people come to what is durable: runs are no tables on SQLite any more."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TABLE IF EXISTS sessions_1")
    op.create_table(
        "sessions",
        sa.Column("session", sa.LargeBinary(), primary_key=True),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sessions_key_id", "sessions", ["key_id", "seen"])


def downgrade() -> None:
    op.drop_table("sessions")
