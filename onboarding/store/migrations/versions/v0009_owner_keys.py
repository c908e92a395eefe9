"""What was said of owner keys, and which of them each device knows."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, words

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "owner_keys",
        words("fingerprint"),
        words("state"),
        words("successor", optional=True),
        words("reason"),
        big("changed_at"),
        words("changed_by"),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.add_column("devices", words("owner_key", optional=True))
    op.execute(
        "UPDATE devices SET owner_key = (SELECT v.key_fingerprint FROM vouchers v "
        "WHERE v.guid = devices.guid) WHERE owned_at IS NOT NULL"
    )
    for table in ("vouchers", "voucher_history"):
        op.create_index(f"ix_{table}_key", table, ["key_fingerprint", "guid"])
    op.create_index("ix_devices_owner_key", "devices", ["owner_key", "guid"])


def downgrade() -> None:
    op.drop_index("ix_devices_owner_key", "devices")
    for table in ("vouchers", "voucher_history"):
        op.drop_index(f"ix_{table}_key", table)
    op.drop_column("devices", "owner_key")
    op.drop_table("owner_keys")
