"""What TO2 does besides taking a device over: plans, who has which, their files."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, device, number, words

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "module_plans",
        words("name"),
        number("version"),
        blob("digest"),
        blob("body"),
        big("created_at"),
        words("created_by"),
        sa.PrimaryKeyConstraint("name", "version"),
    )
    op.create_table(
        "module_plan_rules",
        words("selector"),
        words("plan"),
        number("version", optional=True),
        big("set_at"),
        words("set_by"),
        sa.PrimaryKeyConstraint("selector"),
    )
    op.create_table(
        "module_plan_devices",
        blob("guid", device()),
        words("plan"),
        number("version", optional=True),
        big("set_at"),
        words("set_by"),
        sa.PrimaryKeyConstraint("guid"),
    )
    op.create_table(
        "module_files",
        blob("sha256"),
        big("number"),
        words("name"),
        blob("sha384"),
        big("size"),
        blob("content"),
        big("added_at"),
        words("added_by"),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_module_files_name", "module_files", ["name", "number"])


def downgrade() -> None:
    op.drop_table("module_files")
    op.drop_table("module_plan_devices")
    op.drop_table("module_plan_rules")
    op.drop_table("module_plans")
