"""Endorsement keys that people refuse, whatever vouches for them."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, words

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "ek_refusals",
        blob("digest"),
        words("reason"),
        big("refused_at"),
        words("refused_by"),
        sa.PrimaryKeyConstraint("digest"),
    )


def downgrade() -> None:
    op.drop_table("ek_refusals")
