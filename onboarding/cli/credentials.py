"""Who a command is at a service: by API key, by token, or by client certificate.

An API key goes before a token, and a token before a certificate alone. None of them is
an argument of a command: arguments are public on a machine. Files and variables are.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from onboarding.cli.files import read_file
from onboarding.cli.output import CliError, unusable

if TYPE_CHECKING:  # with HTTP behind it, which many commands do without
    from onboarding.tls import ClientCertificate

API_KEY, API_KEY_FILE = "VOUCHGATE_API_KEY", "VOUCHGATE_API_KEY_FILE"
TOKEN, TOKEN_FILE = "VOUCHGATE_TOKEN", "VOUCHGATE_TOKEN_FILE"
CERTIFICATE = "VOUCHGATE_CLIENT_CERTIFICATE"
PRIVATE_KEY = "VOUCHGATE_CLIENT_KEY"
PASSPHRASE_FILE = "VOUCHGATE_CLIENT_KEY_PASSPHRASE_FILE"  # noqa: S105 - a name
WHO = (API_KEY, API_KEY_FILE, TOKEN, TOKEN_FILE)
CERTIFIED = (CERTIFICATE, PRIVATE_KEY, PASSPHRASE_FILE)
MAX_BEARER = 16 * 1024  # bytes: tokens of identity providers are long


@dataclass(frozen=True, slots=True)
class Credential:
    """What is shown to a service: a bearer (none if ""), a certificate, or both."""

    bearer: str = field(repr=False)
    certificate: "ClientCertificate | None" = None


def credential_of(key_file: Path | None) -> Credential:
    """Who the command is: by a file that it names, or by the environment.

    Raises:
        CliError: Nothing is given, or it cannot be read or sent (exit code 2).
    """
    certificate = _certificate()
    bearer = _bearer(key_file)
    if not bearer and certificate is None:
        raise CliError(
            "no API key given",
            f"Name its file with --api-key-file, or set {API_KEY}; or, before the"
            " command, --token-file or --client-certificate.",
            code=2,
        )
    return Credential(bearer, certificate)


def naming(**given: Path | None) -> dict[str, str | None]:
    """Options as variables; one that says who somebody is leaves no other to say so.

    Args:
        given: By variable, in lower case and without ``VOUCHGATE_``.
    """
    chosen = {f"VOUCHGATE_{k.upper()}": str(v) for k, v in given.items() if v}
    return alone(chosen)


def alone(chosen: dict[str, str]) -> dict[str, str | None]:
    """``chosen``, and None for each variable that would say something else."""
    rest: dict[str, str | None] = {}
    if not chosen.keys().isdisjoint((*WHO, CERTIFICATE)):
        rest = dict.fromkeys((*WHO, *CERTIFIED))
    return {**rest, **chosen}


def _bearer(key_file: Path | None) -> str:
    if key_file is not None:
        return _sendable(str(key_file), _read(key_file))
    token_file = os.environ.get(TOKEN_FILE)
    for name in (API_KEY, TOKEN):
        value = os.environ.get(name, "").strip()
        if value:
            return _sendable(name, value)
        if name == API_KEY and token_file:
            return _sendable(token_file, _read(Path(token_file)))
    return ""


def _read(path: Path) -> str:
    value = read_file(path, MAX_BEARER).decode("ascii", "replace").strip()
    if not value:
        raise unusable(f"{path} is empty", "It should hold one line.")
    return value


def _sendable(where: str, value: str) -> str:
    """HTTP carries visible ASCII; the value itself is told to nobody."""
    if len(value) > MAX_BEARER or not all("!" <= one <= "~" for one in value):
        raise unusable(f"{where} holds no key or token", "It should hold one line.")
    return value


def _certificate() -> "ClientCertificate | None":
    chain, key = os.environ.get(CERTIFICATE), os.environ.get(PRIVATE_KEY)
    if not chain:
        if key:
            raise unusable(f"{PRIVATE_KEY} without {CERTIFICATE}", "Name both.")
        return None
    secret = os.environ.get(PASSPHRASE_FILE)
    passphrase = read_file(Path(secret), 4096).strip() if secret else b""
    from onboarding.tls import ClientCertificate

    return ClientCertificate(Path(chain), Path(key) if key else None, passphrase)
