"""Private keys at rest: one encrypted file per key.

A file is JSON: what may be known (name, kind, public key) in clear and
authenticated, the private key under AES-256-GCM with a key that scrypt makes
from the passphrase. Files are made with mode 0600; only the certificates of a device
CA are ever changed in one.
"""

import json
import os
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.services import key_material
from onboarding.services.errors import KeyStoreError
from onboarding.services.key_material import KeyAlgorithm, NewKey
from ownership_vouchers.algorithms import SigningKey, SoftSigner

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SUFFIX = ".key"
_MAX_FILE = 65536
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1

Stamp = frozenset[tuple[str, int, int, int]]


@unique
class KeyKind(StrEnum):
    """What a key is for; it is used for nothing else."""

    OWNER = "owner"
    MANUFACTURER = "manufacturer"
    DEVICE_CA = "device-ca"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a key file says without its passphrase.

    ``fingerprint`` is the SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal
    digits. ``certificate_pem`` is the key's own certificate, and those above a device
    CA's; files of before have one for a device CA only.
    """

    name: str
    kind: KeyKind
    algorithm: KeyAlgorithm
    fingerprint: str
    public_pem: str
    certificate_pem: str | None

    @property
    def certificates(self) -> int:
        """How many certificates there are: a device CA's own, and those above it."""
        return (self.certificate_pem or "").count("-----BEGIN CERTIFICATE-----")


class KeyStore:
    """A directory of key files opened by one passphrase."""

    def __init__(self, directory: Path, passphrase: bytes) -> None:
        self._directory = directory
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return f"KeyStore({str(self._directory)!r})"

    def create(self, name: str, kind: KeyKind, algorithm: KeyAlgorithm) -> KeyInfo:
        """Make a new key, and a certificate for it.

        Raises:
            KeyStoreError: The name is taken or not allowed, or a device CA with PSS.
        """
        made = key_material.generate(algorithm, ca=kind is KeyKind.DEVICE_CA)
        return self._add(name, kind, algorithm, made)

    def adopt(
        self, name: str, kind: KeyKind, key: SigningKey, *, pss: bool = False
    ) -> KeyInfo:
        """Take in a key that was made elsewhere; a device CA is made here only.

        Args:
            pss: An RSA key is for signatures with PSS, which the key does not tell.

        Raises:
            KeyStoreError: The name is taken or not allowed, or the key is here
                already, or of a kind that FDO does not use.
        """
        if kind is KeyKind.DEVICE_CA:
            raise KeyStoreError("a device CA and its certificate are made here")
        algorithm = key_material.algorithm_of(key, pss=pss)
        made = key_material.packed(key)
        for info in self.list():
            if info.fingerprint == made.fingerprint:
                raise KeyStoreError(f"the key is here already, as {info.name}")
        return self._add(name, kind, algorithm, made)

    def _add(
        self, name: str, kind: KeyKind, algorithm: KeyAlgorithm, made: NewKey
    ) -> KeyInfo:
        if not _NAME.fullmatch(name):
            raise KeyStoreError(f"{name!r}: use a-z, 0-9 and '-' in a key's name")
        said = (made.fingerprint, made.public_pem, made.certificate_pem)
        info = KeyInfo(name, kind, algorithm, *said)
        self._write(info, made.private)
        return info

    def list(self, kind: KeyKind | None = None) -> tuple[KeyInfo, ...]:
        """Describe every key, by name; needs no passphrase."""
        paths = sorted(self._directory.glob(f"*{_SUFFIX}"))
        found = [_info(_read(path)) for path in paths]
        return tuple(one for one in found if kind in (None, one.kind))

    def stamp(self) -> Stamp:
        """What changes whenever a key file comes, goes or is written anew.

        Raises:
            KeyStoreError: The directory cannot be read.
        """
        try:
            with os.scandir(self._directory) as entries:
                files = [one for one in entries if one.name.endswith(_SUFFIX)]
                return frozenset(_stamp(one.name, one.stat()) for one in files)
        except OSError as error:
            raise KeyStoreError(f"{self._directory}: {error.strerror}") from error

    def signer(self, name: str) -> SoftSigner:
        """Open a signing key. Raises KeyStoreError."""
        info = _info(_read(self._path(name)))
        return SoftSigner(self.private_key(name), pss=info.algorithm.pss)

    def private_key(self, name: str) -> SigningKey:
        """Open a signing key as ``cryptography`` knows it. Raises KeyStoreError."""
        return key_material.load_private(self._open(name))

    def chain(self, name: str) -> tuple[x509.Certificate, ...]:
        """Return a device CA's certificate, then those above it.

        Raises:
            KeyStoreError: The key is none, or its file was altered.
        """
        info = _info(_read(self._path(name)))
        pem = info.certificate_pem
        if pem is None or info.kind is not KeyKind.DEVICE_CA:
            raise KeyStoreError(f"key {name} is no device CA, so it has no certificate")
        return tuple(x509.load_pem_x509_certificates(pem.encode()))

    def set_chain(self, name: str, chain: Sequence[x509.Certificate]) -> KeyInfo:
        """Put other certificates in the place of a device CA's; nothing is checked.

        Raises:
            KeyStoreError: The key is no device CA, or does not open.
        """
        private = self._open(name)
        info = _info(_read(self._path(name)))
        if info.kind is not KeyKind.DEVICE_CA:
            raise KeyStoreError(f"key {name} is no device CA, so it has no certificate")
        pem = "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)
        changed = replace(info, certificate_pem=pem)
        self._write(changed, private, over=True)
        return changed

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{_SUFFIX}"

    def _write(self, info: KeyInfo, private: bytes, *, over: bool = False) -> None:
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        head: dict[str, object] = {
            "version": 1,
            "name": info.name,
            "kind": info.kind.value,
            "algorithm": info.algorithm.value,
            "fingerprint": info.fingerprint,
            "public_pem": info.public_pem,
            "certificate_pem": info.certificate_pem,
            "scrypt": [_SCRYPT_N, _SCRYPT_R, _SCRYPT_P],
            "salt": b64encode(salt).decode(),
            "nonce": b64encode(nonce).decode(),
        }
        cipher = AESGCM(_stretch(self._passphrase, salt))
        sealed = cipher.encrypt(nonce, private, _authenticated(head))
        body = json.dumps({**head, "sealed": b64encode(sealed).decode()}, indent=1)
        _write_whole(self._path(info.name), body.encode(), over=over)

    def _open(self, name: str) -> bytes:
        fields = _read(self._path(name))
        try:
            cipher = AESGCM(_stretch(self._passphrase, _bytes(fields, "salt")))
            return cipher.decrypt(
                _bytes(fields, "nonce"),
                _bytes(fields, "sealed"),
                _authenticated(fields),
            )
        except InvalidTag as error:
            raise KeyStoreError(
                f"key {name} does not open: wrong passphrase, or an altered file"
            ) from error


def _stamp(name: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return name, status.st_ino, status.st_mtime_ns, status.st_size


def _authenticated(fields: Mapping[str, object]) -> bytes:
    clear = {key: value for key, value in fields.items() if key != "sealed"}
    return json.dumps(clear, sort_keys=True, separators=(",", ":")).encode()


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    # The cost is ours, never the file's word: an altered file cannot ask for
    # gigabytes, nor for a cost so low that guessing becomes cheap.
    kdf = Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return kdf.derive(passphrase)


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            body = file.read(_MAX_FILE + 1)
        fields = json.loads(body) if len(body) <= _MAX_FILE else None
    except FileNotFoundError as error:
        raise KeyStoreError(f"there is no key {path.stem}") from error
    except (OSError, ValueError) as error:
        raise KeyStoreError(f"{path.name} cannot be read") from error
    if not isinstance(fields, dict) or fields.get("version") != 1:
        raise KeyStoreError(f"{path.name} is not a key file of this version")
    return fields


def _info(fields: Mapping[str, object]) -> KeyInfo:
    certificate = fields.get("certificate_pem")
    try:
        return KeyInfo(
            str(fields["name"]),
            KeyKind(str(fields["kind"])),
            KeyAlgorithm(str(fields["algorithm"])),
            str(fields["fingerprint"]),
            str(fields["public_pem"]),
            None if certificate is None else str(certificate),
        )
    except (KeyError, ValueError) as error:
        raise KeyStoreError("a key file lacks a field, or has a strange one") from error


def _bytes(fields: Mapping[str, object], name: str) -> bytes:
    try:
        return b64decode(str(fields[name]), validate=True)
    except (KeyError, ValueError) as error:
        raise KeyStoreError(f"a key file's {name} cannot be read") from error


def _write_whole(path: Path, body: bytes, *, over: bool) -> None:
    """Write a file whole or not at all; an existing one only if ``over``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if over:
            os.replace(draft, path)
        else:
            os.link(draft, path)
    except FileExistsError as error:
        raise KeyStoreError(f"key {path.stem} exists already") from error
    except OSError as error:
        raise KeyStoreError(f"{path.name}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
