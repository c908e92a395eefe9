"""The one Alembic lineage, run through its API and packaged with the code.

No ini file is needed: the migrations lie beside this module, and they run in
the caller's transaction, so a migration happens whole or not at all.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from onboarding.store.errors import StoreUnavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x766F7563  # any fixed number; replicas that migrate at once queue on it


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run every migration that is missing up to one, inside the open transaction.

    Raises:
        StoreUnavailable: The database is of a version we do not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StoreUnavailable(
            "the database was made by another version of Vouchgate; "
            "run the newest one, or restore the backup from before the upgrade"
        ) from error


def revision_of(connection: Connection) -> str:
    """The newest migration that has run; empty if none has."""
    return next(iter(_present(connection)), "")


def is_current(connection: Connection) -> bool:
    """Whether every migration has run. Each probe of a service asks, so it is cheap."""
    return _present(connection) == _known()


@cache
def _known() -> frozenset[str]:
    return frozenset(ScriptDirectory.from_config(_config()).get_heads())


def _present(connection: Connection) -> frozenset[str]:
    """Read what Alembic wrote down; its own way logs two lines each time."""
    if not inspect(connection).has_table("alembic_version"):
        return frozenset()
    found = connection.execute(text("SELECT version_num FROM alembic_version"))
    return frozenset(found.scalars())


def _config() -> Config:
    config = Config()
    location = str(_MIGRATIONS).replace("%", "%%")  # ConfigParser interpolates
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    return config
