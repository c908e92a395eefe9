"""The one Alembic lineage, packaged with the code.

No ini file is needed: the migrations lie beside this module, and they run in
the caller's transaction, so a migration happens whole or not at all.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from onboarding.store.errors import StoreUnavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x766F7563  # any fixed number; replicas that migrate at once queue on it
HEAD = "head"
FIRST = "0001"


def upgrade(connection: Connection, revision: str = HEAD) -> None:
    """Run every migration that is missing up to one, inside the open transaction.

    Raises:
        StoreUnavailable: The database is of a version we do not know.
    """
    _queue(connection)
    if revision == HEAD and is_current(connection):
        return
    from onboarding.store import migrating  # with Alembic, which most starts spare

    migrating.run(connection, _MIGRATIONS, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Undo every migration after one, inside the open transaction.

    What only newer versions know is lost. Take a backup first.

    Raises:
        StoreUnavailable: The database is of a version we do not know, or older.
    """
    _queue(connection)
    if not revision_of(connection) > revision >= FIRST:
        raise StoreUnavailable(
            f"the database is at {revision_of(connection) or 'no revision'}, "
            f"from where no way leads down to {revision}"
        )
    from onboarding.store import migrating

    migrating.run(connection, _MIGRATIONS, revision, down=True)


def _queue(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def revision_of(connection: Connection) -> str:
    """The newest migration that has run; empty if none has."""
    return next(iter(_present(connection)), "")


def is_current(connection: Connection) -> bool:
    """Whether every migration has run. Each probe of a service asks, so it is cheap."""
    return _present(connection) == {newest()}


@cache
def newest() -> str:
    """The revision of the last migration: its file is named by it, ``v0001_….py``."""
    return max(path.name[1:5] for path in _MIGRATIONS.glob("versions/v*.py"))


def _present(connection: Connection) -> frozenset[str]:
    """Read what Alembic wrote down; its own way logs two lines each time."""
    if not inspect(connection).has_table("alembic_version"):
        return frozenset()
    found = connection.execute(text("SELECT version_num FROM alembic_version"))
    return frozenset(found.scalars())
