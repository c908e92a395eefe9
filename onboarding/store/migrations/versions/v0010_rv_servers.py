"""How rendezvous servers have answered lately."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, words

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "rv_servers",
        words("server"),
        big("failures"),
        big("openings"),
        big("open_until"),
        big("probe_until"),
        words("error"),
        big("failed_at"),
        big("answered_at"),
        sa.PrimaryKeyConstraint("server"),
    )


def downgrade() -> None:
    op.drop_table("rv_servers")
