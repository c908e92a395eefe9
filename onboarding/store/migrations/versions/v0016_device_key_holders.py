"""Keys of devices that send none by the key, so that two devices never share one."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index("ix_device_keys_public_key", "device_keys", ["public_key"])


def downgrade() -> None:
    op.drop_index("ix_device_keys_public_key", "device_keys")
