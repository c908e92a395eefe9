"""What golden devices have shown, for policies to be drafted from."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, device, words

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "learnings",
        blob("guid", device()),
        big("asked_at"),
        words("asked_by"),
        big("at", optional=True),
        words("bank"),
        words("pcrs"),
        blob("boot_log"),
        sa.PrimaryKeyConstraint("guid"),
    )


def downgrade() -> None:
    op.drop_table("learnings")
