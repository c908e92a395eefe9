"""Logs of devices, as they were sent: the kernel's IMA list and the firmware's."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, device, number, words

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "ima_lists",
        blob("guid", device()),
        number("generation"),
        words("bank"),
        big("entries"),
        big("size"),
        blob("value"),
        blob("padded"),
        words("extends"),
        big("covered"),
        big("resets"),
        big("at"),
        sa.PrimaryKeyConstraint("guid"),
    )
    op.create_table(
        "ima_parts",
        blob("guid", device()),
        number("generation"),
        big("first"),
        big("size"),
        blob("body"),
        sa.PrimaryKeyConstraint("guid", "generation", "first"),
    )
    op.create_table(
        "boot_logs",
        blob("guid", device()),
        blob("digest"),
        big("size"),
        blob("body"),
        big("at"),
        sa.PrimaryKeyConstraint("guid"),
    )


def downgrade() -> None:
    op.drop_table("boot_logs")
    op.drop_table("ima_parts")
    op.drop_table("ima_lists")
