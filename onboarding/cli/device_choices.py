"""What ``vouchgate device`` is told: where a device is kept, and things by name."""

from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.output import unusable
from onboarding.device.suites import CIPHERS
from onboarding.protocol.ciphers import CipherSuite
from ownership_vouchers.keys import KeyEncoding

Directory = Annotated[
    Path, typer.Option(help="The device's directory.", envvar="VOUCHGATE_DEVICE")
]
STATE = Path("device")


@unique
class Encoding(StrEnum):
    """How keys are written, by the names that people choose them by."""

    X509 = "x509"
    X5CHAIN = "x5chain"
    COSEKEY = "cosekey"

    @property
    def on_the_wire(self) -> KeyEncoding:
        return KeyEncoding[self.name]


def cipher_named(name: str) -> CipherSuite:
    """Return the cipher of that name. Raises CliError with exit code 2."""
    found = CIPHERS.get(name.upper())
    if found is None:
        raise unusable(f"there is no cipher {name!r}", f"Say {', '.join(CIPHERS)}.")
    return found
