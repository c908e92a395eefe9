"""The schema brought up to date by a child, whose memory ends with it.

Alembic takes 10 MiB, which a service would keep from its first start on.
"""

import os
import threading

from onboarding.services.context import open_database
from onboarding.services.settings import Settings


def migrate_apart(settings: Settings) -> None:
    """Migrate in a child process, if there is anything to migrate.

    To be called before threads start, or it does nothing. What the child cannot do
    is tried again by whoever opens the database, who says why it fails.

    Raises:
        SettingsError, StoreError: As ``open_database``, and ``is_current`` of it.
    """
    if threading.active_count() > 1:
        return
    database = open_database(settings)
    try:
        if database.is_current():
            return
    finally:
        database.close()  # nothing of it may be open in two processes
    child = os.fork()
    if child == 0:
        _migrate_and_end(settings)
    os.waitpid(child, 0)


def _migrate_and_end(settings: Settings) -> None:
    """The child's whole life: no handler of its parent's runs at its end."""
    try:
        database = open_database(settings)
        database.migrate()
        database.close()
    finally:
        os._exit(0)
