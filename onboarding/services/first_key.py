"""The first start makes one API key of an admin, so that somebody can begin.

It is told once: at a terminal on standard output; otherwise in a file beside the keys
that only this account can read, of which the log names the path. Never in the log.
"""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from onboarding.services.context import Context
from onboarding.store.apikeys import ApiKeyStore

NAME = "first start"
ACTOR = "vouchgate serve"
_OTHERWISE = "`vouchgate apikey new` makes keys"

log = logging.getLogger(__name__)


def file_of(context: Context) -> Path:
    """Where the key goes when nobody looks on; a file for each role."""
    settings = context.settings
    return settings.key_directory / f"first-admin-{settings.role.value}.apikey"


def make(context: Context) -> None:
    """Make the key, if it is wanted and no API key was ever made.

    Of several replicas one does. If it can be told to nobody there is none.

    Raises:
        StoreError: The database failed.
    """
    if not context.settings.first_admin_key:
        return
    terminal = sys.stdout.isatty()
    teller = _Teller(None if terminal else file_of(context))
    store = ApiKeyStore(context.database)
    try:
        key = store.create_first(NAME, ACTOR, context.now(), teller.keep)
    except FileExistsError:
        log.warning("no first admin key: %s is there already; %s", teller, _OTHERWISE)
    except OSError as error:
        teller.forget()
        why = error.strerror
        log.warning("no first admin key: %s: %s; %s", teller, why, _OTHERWISE)
    except BaseException:
        teller.forget()
        raise
    else:
        if key is not None:
            teller.tell()


class _Teller:
    """Keeps the token until the key is there for good, and tells it once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._token = ""

    def __str__(self) -> str:
        return str(self._path)

    def keep(self, token: str) -> None:
        """Raises OSError: the file is there already, or cannot be made."""
        if self._path is None:
            self._token = token
            return
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        handle = os.open(self._path, flags, 0o600)
        self._token = token
        with os.fdopen(handle, "wb") as file:
            file.write(f"{token}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def forget(self) -> None:
        """The key was undone, so its file goes, if it was made here."""
        if self._path is not None and self._token:
            with suppress(OSError):
                self._path.unlink()

    def tell(self) -> None:
        if self._path is not None:
            log.warning("the first admin key is in %s", self._path)
            return
        said = f"The first admin key, shown this once: {self._token}\n"
        sys.stdout.write(said)
        sys.stdout.flush()
