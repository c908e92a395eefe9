"""Profiles: which service to talk to, by a name of one's own.

A TOML file, ``$XDG_CONFIG_HOME/vouchgate/profiles.toml`` unless VOUCHGATE_PROFILES
names another: a table for each, with ``url``, ``ca``, and files that say who one is.
There is no place for a key, token or passphrase itself in it.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from onboarding.cli.files import read_file
from onboarding.cli.output import unusable

FILE_VARIABLE = "VOUCHGATE_PROFILES"
CHOSEN = "VOUCHGATE_PROFILE"
MAX_FILE = 256 * 1024
VARIABLES = {
    "url": "VOUCHGATE_URL",
    "api_key_file": "VOUCHGATE_API_KEY_FILE",
    "ca": "VOUCHGATE_CA",
    "token_file": "VOUCHGATE_TOKEN_FILE",
    "client_certificate": "VOUCHGATE_CLIENT_CERTIFICATE",
    "client_key": "VOUCHGATE_CLIENT_KEY",
    "client_key_passphrase_file": "VOUCHGATE_CLIENT_KEY_PASSPHRASE_FILE",
}


def file_of_profiles() -> Path:
    """Where profiles are looked for."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "vouchgate" / "profiles.toml"


def variables_of(name: str, path: Path | None = None) -> dict[str, str]:
    """What a profile sets, as the variables of the environment that say the same.

    A relative path is meant from where the file is.

    Raises:
        CliError: No such file or profile, or something in it that is no setting.
    """
    where = path or file_of_profiles()
    found = _profiles(where).get(name)
    if not isinstance(found, Mapping):
        raise unusable(
            f"there is no profile {name!r} in {where}",
            f"Add it: a table [{name}] with url and api_key_file.",
        )
    unknown = ", ".join(sorted(set(found) - set(VARIABLES)))
    if unknown:
        known = ", ".join(VARIABLES)
        raise unusable(f"profile {name!r}: what is {unknown}?", f"It knows {known}.")
    return {VARIABLES[key]: _value(where, key, one) for key, one in found.items()}


def service_of_profile() -> str | None:
    """The URL that the chosen profile has, if one was chosen."""
    return os.environ.get(VARIABLES["url"]) if os.environ.get(CHOSEN) else None


def _profiles(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_file(path, MAX_FILE).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise unusable(f"{path}: {error}", "It is to be TOML.") from error


def _value(where: Path, key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise unusable(f"{where}: {key} is to be text", "Put it in quotation marks.")
    if key != "url":  # all others are files
        return str(where.parent / Path(value).expanduser())
    return value
