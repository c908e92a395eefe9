"""Answers to requests that may come twice."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, words

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "idempotency",
        words("key_id"),
        words("name"),
        blob("request"),
        big("at"),
        blob("answer", optional=True),
        sa.PrimaryKeyConstraint("key_id", "name"),
    )
    op.create_index("ix_idempotency_at", "idempotency", ["at"])


def downgrade() -> None:
    op.drop_table("idempotency")
