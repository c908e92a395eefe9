"""Have TO2 write less of indexes: it moves neither what they hold nor their order.

The newest vouchers are those of the devices that were imported last, which stays so;
of owner keys only devices that know one are asked for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

_KNOWN = sa.text("owner_key IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_vouchers_added_at", "vouchers")
    op.create_index("ix_devices_imported_at", "devices", ["imported_at"])
    op.drop_index("ix_devices_owner_key", "devices")
    op.create_index(
        "ix_devices_owner_key",
        "devices",
        ["owner_key", "guid"],
        sqlite_where=_KNOWN,
        postgresql_where=_KNOWN,
    )


def downgrade() -> None:
    op.drop_index("ix_devices_owner_key", "devices")
    op.create_index("ix_devices_owner_key", "devices", ["owner_key", "guid"])
    op.drop_index("ix_devices_imported_at", "devices")
    op.create_index("ix_vouchers_added_at", "vouchers", ["added_at"])
