"""What each run of TO2 delivered, and the files that devices gave."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, number

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "deliveries",
        blob("run"),
        blob("guid"),
        big("at"),
        number("completed"),
        blob("receipts"),
        sa.PrimaryKeyConstraint("run"),
    )
    op.create_index("ix_deliveries_guid_at", "deliveries", ["guid", "at"])
    op.create_table(
        "uploads",
        blob("run"),
        number("position"),
        blob("guid"),
        big("at"),
        blob("content"),
        sa.PrimaryKeyConstraint("run", "position"),
    )
    op.create_index("ix_uploads_guid", "uploads", ["guid"])


def downgrade() -> None:
    op.drop_table("uploads")
    op.drop_table("deliveries")
