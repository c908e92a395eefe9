"""Whom a rendezvous server lets register, and how much each owner holds there."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, words

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "key_rules",
        words("holder"),
        words("fingerprint"),
        words("verdict", optional=True),
        big("quota", optional=True),
        words("reason"),
        big("set_at"),
        words("set_by"),
        sa.PrimaryKeyConstraint("holder", "fingerprint"),
    )
    op.add_column("registrations", words("maker", optional=True))
    op.create_table(
        "registration_owners",
        words("fingerprint"),
        big("held"),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.execute(
        "INSERT INTO registration_owners (fingerprint, held) "
        "SELECT key_fingerprint, COUNT(*) FROM registrations GROUP BY key_fingerprint"
    )


def downgrade() -> None:
    op.drop_table("registration_owners")
    op.drop_column("registrations", "maker")
    op.drop_table("key_rules")
