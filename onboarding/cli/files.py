"""Files the commands read and write."""

import json
import os
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
)

from onboarding.cli.output import unusable
from ownership_vouchers.algorithms import SigningKey, VerifyKey, alg_for
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.pem import load_buyer

MAX_FILE = 64 * 1024 * 1024
MAX_SECRET = 4096
MAX_BUYER = 65536  # a certificate chain in PEM


def read_file(path: Path, limit: int = MAX_FILE) -> bytes:
    """Read ``path`` whole. Raises CliError with exit code 2."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise unusable(f"{path}: {error.strerror}", "Check the path.") from error
    if len(data) > limit:
        raise unusable(f"{path} is over {limit} bytes", "Is it the right file?")
    return data


def read_json(path: Path, limit: int) -> object:
    """Read a file of JSON. Raises CliError with exit code 2."""
    try:
        found: object = json.loads(read_file(path, limit))
    except (ValueError, RecursionError) as error:
        raise unusable(f"{path}: no JSON: {error}") from error
    return found


def read_secret(path: Path) -> bytes:
    """Read one line that must stay secret, without its line end."""
    value = read_file(path, MAX_SECRET).strip()
    if not value:
        raise unusable(f"{path} is empty", "It should hold one line.")
    return value


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write ``path`` whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unusable(f"{path}: {error.strerror}", "Name another file.") from error


def read_public_key(path: Path) -> VerifyKey:
    """Read a PEM public key of a kind FDO knows; a certificate will do."""
    return read_buyer(path)[0]


def read_buyer(path: Path) -> tuple[VerifyKey, tuple[x509.Certificate, ...]]:
    """Read a PEM public key of a kind FDO knows, or its certificate chain."""
    try:
        return load_buyer(read_file(path, MAX_BUYER))
    except VoucherError as error:
        raise unusable(
            f"{path}: {error}", "An EC or RSA key is what FDO knows."
        ) from error


def read_buyer_pem(path: Path) -> str:
    """Return what ``read_buyer`` reads as the file has it, to be sent on."""
    read_buyer(path)
    return read_file(path, MAX_BUYER).decode("ascii", "replace")


def read_private_key(path: Path, passphrase: bytes | None) -> SigningKey:
    """Read a private key of a kind FDO knows, PEM or DER."""
    data = read_file(path, MAX_SECRET * 2)
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, passphrase)
        if not isinstance(key, SigningKey):
            raise unusable(f"{path}: not an EC or RSA key", "FDO knows no other.")
        alg_for(key.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm, VoucherError) as error:
        raise unusable(
            f"{path}: not a private key that opens: {error}",
            "If it is encrypted, name the file of its passphrase.",
        ) from error
    return key
