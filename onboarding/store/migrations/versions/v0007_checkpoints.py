"""Signed checkpoints of the audit log."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, counter, words

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "audit_checkpoints",
        counter("seq"),
        blob("digest"),
        big("at"),
        words("key_fingerprint"),
        blob("document"),
        sa.PrimaryKeyConstraint("seq"),
    )


def downgrade() -> None:
    op.drop_table("audit_checkpoints")
