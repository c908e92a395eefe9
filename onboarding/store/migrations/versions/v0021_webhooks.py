"""Webhooks, and what is on its way to them."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, number, words

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        words("id"),
        words("url"),
        words("causes"),
        blob("secret"),
        blob("previous", optional=True),
        big("previous_until", optional=True),
        big("cursor"),
        words("disabled", optional=True),
        big("delivered_at", optional=True),
        big("created_at"),
        words("created_by"),
        sa.PrimaryKeyConstraint("id"),
    )
    hook = sa.ForeignKey("webhooks.id", ondelete="CASCADE")
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook", sa.String(), hook, nullable=False),
        big("seq"),
        number("dead"),
        number("attempts"),
        big("due"),
        big("claimed_until"),
        big("tried_at", optional=True),
        number("status", optional=True),
        words("error", optional=True),
        sa.PrimaryKeyConstraint("webhook", "seq"),
    )
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["dead", "due"])


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
