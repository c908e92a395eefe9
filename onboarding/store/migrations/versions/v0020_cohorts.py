"""Cohorts, what was observed of their devices, and update windows."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, device, number, words

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "cohorts",
        words("name"),
        words("labels"),
        words("policy_name"),
        number("policy_version"),
        words("mode"),
        big("changed_at"),
        words("changed_by"),
        sa.PrimaryKeyConstraint("name"),
        sa.ForeignKeyConstraint(
            ["policy_name", "policy_version"],
            ["policies.name", "policies.version"],
            name="fk_cohorts_policy",
        ),
    )
    op.create_table(
        "observations",
        blob("guid", device()),
        sa.Column(
            "cohort",
            sa.String(),
            sa.ForeignKey("cohorts.name", ondelete="CASCADE"),
            nullable=False,
        ),
        words("policy_name"),
        number("policy_version"),
        blob("policy_digest"),
        words("verdict"),
        words("compared"),
        words("failures"),
        blob("evidence_digest"),
        big("at"),
        sa.PrimaryKeyConstraint("guid", "cohort"),
    )
    op.create_index("ix_observations_cohort", "observations", ["cohort", "guid"])
    op.create_table(
        "update_windows",
        blob("guid", device()),
        words("policy_name"),
        number("old_version"),
        number("new_version"),
        blob("image"),
        big("opened_at"),
        words("opened_by"),
        big("ends_at"),
        big("closed_at", optional=True),
        words("closed_by", optional=True),
        sa.PrimaryKeyConstraint("guid"),
    )


def downgrade() -> None:
    op.drop_table("update_windows")
    op.drop_table("observations")
    op.drop_table("cohorts")
