"""Quotes as TPMs gave them."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "quotes",
        blob("digest"),
        big("at"),
        blob("body"),
        sa.PrimaryKeyConstraint("digest"),
    )


def downgrade() -> None:
    op.drop_table("quotes")
