"""Whether a database that answers would also take a change."""

import os
from pathlib import Path

from onboarding.store.direct import Direct, Sql

_MIB = 1024 * 1024
# A standby, or a server whose operator has shut writing off.
_READ_ONLY = Sql("SELECT 1 WHERE current_setting('transaction_read_only') = 'on'")


Inode = tuple[int, int]


def inode_of(path: Path | None) -> Inode | None:
    """Which file a path names; None if there is none."""
    try:
        found = None if path is None else path.stat()
    except FileNotFoundError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def room_fault(
    path: Path | None, opened: Inode | None, direct: Direct, min_free: int
) -> str:
    """Say what would keep a change from being stored; empty if nothing would.

    Args:
        path: The SQLite file; None for PostgreSQL.
        opened: The file that connections have open, which answers whatever becomes of
            its name: what is written to it then is lost with the process.
        min_free: MiB that have to be free where the file is; 0: that is not looked at.

    Raises:
        StoreError: The database does not answer.
    """
    if path is None:
        read_only = direct.one(_READ_ONLY, ()) is not None
        return "the database takes no changes: it is read-only" if read_only else ""
    if inode_of(path) != opened:
        return "the file of the database was removed or replaced under the service"
    disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize // _MIB
    if free >= min_free:
        return ""
    return f"the disk of the database has {free} MiB left, {min_free} are wanted"
