"""What IMA may measure, in Keylime's form, by digest."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, words

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "runtime_policies",
        blob("digest"),
        blob("body"),
        big("created_at"),
        words("created_by"),
        sa.PrimaryKeyConstraint("digest"),
    )


def downgrade() -> None:
    op.drop_table("runtime_policies")
