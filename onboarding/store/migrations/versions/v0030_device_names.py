"""Name each device for good, by the GUID that it came with.

What belongs to a device named it by the GUID of the day, and was written anew in ten
tables whenever TO2 gave it another: a twentieth of what TO2 costs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

_BELONGING = (
    "assignments",
    "bindings",
    "boot_logs",
    "ima_lists",
    "ima_parts",
    "learnings",
    "module_plan_devices",
    "observations",
    "update_windows",
)

_TRIGGERS = (
    "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'devices'"
)


def upgrade() -> None:
    op.drop_index("ix_devices_owner_key", "devices")
    for table in ("devices", *_BELONGING):
        _rename(table, "guid", "device")
    op.add_column("devices", sa.Column("guid", sa.LargeBinary()))
    op.execute("UPDATE devices SET guid = device")
    _require_guids()
    op.create_index("ix_devices_guid", "devices", ["guid"], unique=True)
    op.create_index("ix_devices_owner_key", "devices", ["owner_key", "guid"])


def downgrade() -> None:
    op.drop_index("ix_devices_owner_key", "devices")
    op.drop_index("ix_devices_guid", "devices")
    if _sqlite():  # foreign keys rest there meanwhile
        for table in ("device_guids", *_BELONGING):
            op.execute(
                f"UPDATE {table} SET device = (SELECT d.guid FROM devices d "  # noqa: S608 - our own names
                f"WHERE d.device = {table}.device)"
            )
    op.execute("UPDATE devices SET device = guid")
    op.drop_column("devices", "guid")
    for table in ("devices", *_BELONGING):
        _rename(table, "device", "guid")
    op.create_index("ix_devices_owner_key", "devices", ["owner_key", "guid"])


def _require_guids() -> None:
    """SQLite makes the table anew for it, and forgets its triggers."""
    triggers: list[str] = []
    if _sqlite():
        triggers += op.get_bind().execute(sa.text(_TRIGGERS)).scalars()
    with op.batch_alter_table("devices") as devices:
        devices.alter_column("guid", nullable=False)
    for statement in triggers:
        op.execute(statement)


def _rename(table: str, before: str, after: str) -> None:
    """With all that names the column: indexes, triggers, and rows that refer to it."""
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
