"""Alembic, run through its API: imported only where there is something to migrate.

It takes 10 MiB for itself, which a service that starts on a current database spares.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from onboarding.store.errors import StoreUnavailable


def run(
    connection: Connection, migrations: Path, revision: str, *, down: bool = False
) -> None:
    """Run every migration up, or down, to a revision, inside the open transaction.

    Raises:
        StoreUnavailable: The database is of a version we do not know.
    """
    go = command.downgrade if down else command.upgrade
    config = Config()
    location = str(migrations).replace("%", "%%")  # ConfigParser interpolates
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        go(config, revision)
    except CommandError as error:
        raise StoreUnavailable(
            "the database was made by another version of Vouchgate; "
            "run the newest one, or restore the backup from before the upgrade"
        ) from error
