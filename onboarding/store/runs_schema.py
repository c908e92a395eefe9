"""Tables for runs, spent tokens and people's sessions: made when missing.

They hold minutes of work that a device can start again, and who is logged in, so a
change of shape takes a new table name instead of a migration.
"""

import os
from pathlib import Path

from onboarding.store.direct import Direct, Sql

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCK = Sql("SELECT pg_advisory_xact_lock(1987012963)")

NAMES = frozenset({"runs_1", "spent_1", "sessions_1"})

_TABLES = (
    "runs_1 (run_id {blob} NOT NULL PRIMARY KEY, step INTEGER NOT NULL, "
    "sealed {blob} NOT NULL, expires BIGINT NOT NULL, done INTEGER NOT NULL)",
    "spent_1 (token_id {blob} NOT NULL PRIMARY KEY, expires BIGINT NOT NULL)",
    "sessions_1 (session {blob} NOT NULL PRIMARY KEY, key_id TEXT NOT NULL, "
    "begun BIGINT NOT NULL, seen BIGINT NOT NULL)",
)
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS ix_runs_1_expires ON runs_1 (expires)",
    "CREATE INDEX IF NOT EXISTS ix_spent_1_expires ON spent_1 (expires)",
    "CREATE INDEX IF NOT EXISTS ix_sessions_1_key_id ON sessions_1 (key_id, seen)",
)


def create(direct: Direct, *, unlogged: bool) -> None:
    """Make the tables that are missing; any number of processes may ask."""
    kind, blob = ("UNLOGGED TABLE", "BYTEA") if unlogged else ("TABLE", "BLOB")
    with direct.transaction() as connection:
        if unlogged:
            connection.rows(_LOCK)
        for table in _TABLES:
            shape = table.format(blob=blob)
            # One tree instead of two: half the pages that each step writes.
            tail = "" if unlogged else " WITHOUT ROWID"
            connection.count(Sql(f"CREATE {kind} IF NOT EXISTS {shape}{tail}"))
        for index in _INDEXES:
            connection.count(Sql(index))


def file_of_this_boot(main: Path) -> Path:
    """The runs file beside ``main`` for this boot; removes older ones.

    Workers of one boot all get the same name, and no process of an earlier
    boot is left that could hold what is removed here.
    """
    stem = f"{main.name}.runs-"
    current = main.with_name(stem + _boot())
    if main.parent.is_dir():
        for entry in os.scandir(main.parent):
            if entry.name.startswith(stem) and not entry.name.startswith(current.name):
                Path(entry.path).unlink(missing_ok=True)
    return current


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")[:12]
    except OSError:  # no Linux: the name is then the same on every boot
        return "0"
