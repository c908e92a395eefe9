"""Let a device's row stay where it is when its GUID changes, on SQLite.

Ordered by GUID, the whole row moved to another page at the end of TO2, and with it
each index that named the GUID: a tenth of what TO2 costs.
"""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    _rebuild(rowid=True)


def downgrade() -> None:
    _rebuild(rowid=False)


def _rebuild(*, rowid: bool) -> None:
    """PostgreSQL keeps rows in a heap anyway."""
    if op.get_bind().dialect.name == "sqlite":
        kept = {"sqlite_with_rowid": rowid}
        with op.batch_alter_table("devices", recreate="always", table_kwargs=kept):
            pass
