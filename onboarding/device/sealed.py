"""Keys at rest without a TPM: AES-256-GCM under a key that scrypt makes of a secret.

The secret is a file: one that the operator names (a mounted secret, a systemd
credential), or one of 32 random bytes beside the keys. The latter keeps no one out who
can read the whole directory; it makes a copied key file worthless by itself.
"""

import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from onboarding.device.config import write_private
from onboarding.device.errors import DeviceError, NotOnboarded

SECRET = "keys.secret"  # noqa: S105 - a file's name
MAX_SECRET = 4096  # bytes
MIN_SECRET = 8
MAX_SEALED = 64 * 1024
_MAGIC = b"VGK1"
_SALT, _NONCE = 16, 12
_HEAD = len(_MAGIC) + _SALT + _NONCE
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1  # 16 MiB, for small boards


class Sealer:
    """Seals files of one directory; stretches its secret once."""

    def __init__(self, directory: Path, secret_file: Path | None = None) -> None:
        self._own = secret_file is None
        self._path = secret_file or directory / SECRET
        self._secret: bytes | None = None
        self._keys: dict[bytes, AESGCM] = {}

    def __repr__(self) -> str:
        return f"Sealer({str(self._path)!r})"

    def write(self, path: Path, data: bytes) -> None:
        """Keep ``data`` in ``path``, bound to that file's name.

        Raises:
            DeviceError: The secret or the file cannot be written or read.
        """
        salt = next(iter(self._keys), None) or secrets.token_bytes(_SALT)
        nonce = secrets.token_bytes(_NONCE)
        head = _MAGIC + salt + nonce
        key = self._key(salt, make=True)
        bound = head + path.name.encode()
        write_private(path, head + key.encrypt(nonce, data, bound))

    def read(self, path: Path) -> bytes:
        """What was kept in ``path``.

        Raises:
            NotOnboarded: There is no such file.
            DeviceError: It was sealed with another secret, moved, or changed.
        """
        sealed = read_small(path)
        if sealed[: len(_MAGIC)] != _MAGIC or len(sealed) < _HEAD:
            raise DeviceError(f"{path} is no sealed key")
        salt = sealed[len(_MAGIC) : len(_MAGIC) + _SALT]
        head, nonce = sealed[:_HEAD], sealed[_HEAD - _NONCE : _HEAD]
        key = self._key(salt, make=False)
        try:
            return key.decrypt(nonce, sealed[_HEAD:], head + path.name.encode())
        except InvalidTag as error:
            raise DeviceError(
                f"{path} does not open with the secret in {self._path}: it is another"
                " device's, or was changed"
            ) from error

    def _key(self, salt: bytes, *, make: bool) -> AESGCM:
        if salt not in self._keys:
            stretched = Scrypt(salt, 32, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
            self._keys[salt] = AESGCM(stretched.derive(self._read_secret(make=make)))
        return self._keys[salt]

    def _read_secret(self, *, make: bool) -> bytes:
        if self._secret is None:
            if make and self._own and not self._path.exists():
                write_private(self._path, secrets.token_bytes(32))
            found = read_small(self._path, MAX_SECRET)
            self._secret = found if self._own else found.rstrip(b"\r\n")
            if len(self._secret) < MIN_SECRET:
                raise DeviceError(
                    f"the secret in {self._path} has under {MIN_SECRET} bytes"
                )
        return self._secret


def read_small(path: Path, limit: int = MAX_SEALED) -> bytes:
    """A whole small file; no pipe is waited for.

    Raises:
        NotOnboarded: There is none.
        DeviceError: It cannot be read, or is no file or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotOnboarded(f"{path} is not there: run `vouchgate device di`") from error
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        data = file.read(limit + 1) if regular else b""
    if not regular or len(data) > limit:
        raise DeviceError(f"{path} is no file of {limit} bytes at most")
    return data
