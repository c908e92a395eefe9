"""The keys that seal tokens: in the database, sealed under a key file.

All replicas share them. A new key becomes active only after every replica has
had time to read it, and an old one stays readable while its tokens live.
"""

import hmac
import os
import secrets
from pathlib import Path
from threading import Lock

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import StoreUnavailable
from onboarding.store.tokens import TokenSealer, key_id

ROTATE_SECONDS = 24 * 3600
RELOAD_SECONDS = 60
KEEP_SECONDS = 2 * ROTATE_SECONDS
_SEARCH_SECONDS = 1

_INSERT = Sql(
    "INSERT INTO server_keys (key_id, sealed, activates, expires) VALUES (?, ?, ?, ?)"
)
_ALL = Sql(
    "SELECT key_id, sealed, activates FROM server_keys WHERE expires > ? "
    "ORDER BY activates DESC, key_id"
)
_PRUNE = Sql("DELETE FROM server_keys WHERE expires <= ?")


def load_key_file(path: Path) -> bytes:
    """Read the 32-byte file that server keys are sealed under; make it if absent.

    The file gets mode 0600. Of several processes that make it at once, one
    wins and all return its bytes.

    Raises:
        StoreUnavailable: It cannot be read or made, others may read it, or it
            is not 32 bytes.
    """
    try:
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:
            raise StoreUnavailable(f"{path} is open to others; chmod 600 it")
        key = path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(f"cannot use the key file {path}: {error}") from error
    if len(key) != 32:
        raise StoreUnavailable(f"{path} has {len(key)} bytes, not 32")
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # appears whole, or not at all
    except FileExistsError:
        pass  # another process was first
    finally:
        draft.unlink(missing_ok=True)


class ServerKeys:
    """The sealer to use now, re-read and rotated as time passes.

    Args:
        database: Where the sealed keys are.
        wrapping: The key file's 32 bytes.
    """

    def __init__(self, database: Database, wrapping: bytes) -> None:
        self._direct = database.direct
        self._wrapping = AESGCM(wrapping)
        self._file = wrapping
        self._lock = Lock()
        self._sealer: TokenSealer | None = None
        self._read_at = 0
        self._searched_at = 0

    def __repr__(self) -> str:
        return "ServerKeys(…)"

    def sealer(self, now: int) -> TokenSealer:
        """The sealer for this moment; cheap enough for each message.

        Raises:
            StoreUnavailable: The database fails, or its keys were sealed under
                another key file.
        """
        current = self._sealer
        if current is not None and 0 <= now - self._read_at < RELOAD_SECONDS:
            return current
        with self._lock:
            keys = self._renewed(now)
            current = TokenSealer([key for key, _ in keys], missing=self._find)
            self._sealer, self._read_at = current, now
        return current

    def wrap(self, secret: bytes, purpose: bytes) -> bytes:
        """Seal what is to last, under the key file itself; not tokens."""
        nonce = secrets.token_bytes(12)
        return nonce + self._wrapping.encrypt(nonce, secret, purpose)

    def unwrap(self, sealed: bytes, purpose: bytes) -> bytes:
        """Open what ``wrap`` sealed for the same purpose.

        Raises:
            StoreUnavailable: It was altered, or sealed under another key file.
        """
        return self._unwrap(purpose, sealed)

    def secret_of(self, name: str) -> str:
        """A secret that stays the same for a name; only who has the key file knows."""
        word = b"vouchgate caller\0" + name.encode()
        return hmac.digest(self._file, word, "sha256").hex()

    def _renewed(self, now: int) -> list[tuple[bytes, int]]:
        # Keys that seal already come first, newest first; then those to come.
        keys = self._read(now)
        active = [item for item in keys if item[1] <= now]
        if not active:
            self._add(now, now)
        elif max(at for _, at in keys) <= now - ROTATE_SECONDS:
            self._add(now, now + 2 * RELOAD_SECONDS)
        else:
            return active + [item for item in keys if item[1] > now]
        return self._renewed(now)

    def _read(self, now: int) -> list[tuple[bytes, int]]:
        rows = self._direct.rows(_ALL, (now,))
        return [(self._unwrap(name, sealed), at) for name, sealed, at in rows]

    def _add(self, now: int, activates: int) -> None:
        key = secrets.token_bytes(32)
        nonce = secrets.token_bytes(12)
        name = key_id(key)
        sealed = nonce + self._wrapping.encrypt(nonce, key, name)
        expires = activates + ROTATE_SECONDS + KEEP_SECONDS
        self._direct.count(_INSERT, (name, sealed, activates, expires))
        self._direct.count(_PRUNE, (now,))

    def _unwrap(self, name: bytes, sealed: bytes) -> bytes:
        try:
            return self._wrapping.decrypt(sealed[:12], sealed[12:], name)
        except InvalidTag as error:
            raise StoreUnavailable(
                "the server keys were sealed under another key file; give every "
                "replica the same one"
            ) from error

    def _find(self, wanted: bytes, now: int) -> bytes | None:
        # At most one look-up a second, whatever a stranger's tokens name.
        if 0 <= now - self._searched_at < _SEARCH_SECONDS:
            return None
        self._searched_at = now
        found = (key for key, _ in self._read(now) if key_id(key) == wanted)
        return next(found, None)
