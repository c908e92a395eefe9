"""Key files: JSON, made whole, sealed under a passphrase.

What may be known (name, kind, public key, where the private key is) stands in clear and
is authenticated; the private key is under AES-256-GCM with a key that scrypt makes from
the passphrase. The file of a key in a token seals nothing, that of one in a TPM what
the TPM wrapped: so both are authenticated all the same. Files are made with mode 0600;
only the certificates of a device CA are ever changed in one.
"""

import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from onboarding.services.errors import KeyStoreError
from onboarding.services.key_info import KeyInfo, KeyKind
from onboarding.services.key_material import KeyAlgorithm

SUFFIX = ".key"
_MAX_FILE = 65536
SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1

Fields = Mapping[str, object]


def seal(info: KeyInfo, private: bytes, passphrase: bytes) -> bytes:
    """Return a key file's content."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    head: dict[str, object] = {
        "version": 1,
        "name": info.name,
        "kind": info.kind.value,
        "algorithm": info.algorithm.value,
        "fingerprint": info.fingerprint,
        "public_pem": info.public_pem,
        "certificate_pem": info.certificate_pem,
        "scrypt": [SCRYPT_N, _SCRYPT_R, _SCRYPT_P],
        "salt": b64encode(salt).decode(),
        "nonce": b64encode(nonce).decode(),
    }
    if info.uri is not None:
        head["uri"] = info.uri
    cipher = AESGCM(_stretch(passphrase, salt))
    sealed = cipher.encrypt(nonce, private, _authenticated(head))
    body = {**head, "sealed": b64encode(sealed).decode()}
    return json.dumps(body, indent=1).encode()


def unseal(fields: Fields, passphrase: bytes, name: str) -> bytes:
    """Return the private key; if it is elsewhere, what its holder wants kept.

    Raises:
        KeyStoreError: Wrong passphrase, or an altered file.
    """
    try:
        cipher = AESGCM(_stretch(passphrase, _bytes(fields, "salt")))
        return cipher.decrypt(
            _bytes(fields, "nonce"), _bytes(fields, "sealed"), _authenticated(fields)
        )
    except InvalidTag as error:
        raise KeyStoreError(
            f"key {name} does not open: wrong passphrase, or an altered file"
        ) from error


def read(path: Path) -> Fields:
    """Read a key file. Raises KeyStoreError."""
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


def info_of(fields: Fields) -> KeyInfo:
    """What a key file says in clear. Raises KeyStoreError."""
    certificate, uri = fields.get("certificate_pem"), fields.get("uri")
    try:
        return KeyInfo(
            str(fields["name"]),
            KeyKind(str(fields["kind"])),
            KeyAlgorithm(str(fields["algorithm"])),
            str(fields["fingerprint"]),
            str(fields["public_pem"]),
            None if certificate is None else str(certificate),
            None if uri is None else str(uri),
        )
    except (KeyError, ValueError) as error:
        raise KeyStoreError("a key file lacks a field, or has a strange one") from error


def _authenticated(fields: Fields) -> bytes:
    clear = {key: value for key, value in fields.items() if key != "sealed"}
    return json.dumps(clear, sort_keys=True, separators=(",", ":")).encode()


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    # The cost is ours, never the file's word: an altered file cannot ask for
    # gigabytes, nor for a cost so low that guessing becomes cheap.
    kdf = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return kdf.derive(passphrase)


def _bytes(fields: Fields, name: str) -> bytes:
    try:
        return b64decode(str(fields[name]), validate=True)
    except (KeyError, ValueError) as error:
        raise KeyStoreError(f"a key file's {name} cannot be read") from error


def write_whole(path: Path, body: bytes, *, over: bool) -> None:
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
