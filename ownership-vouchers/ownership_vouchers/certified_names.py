"""What certificates say of hardware: a TPM's attributes, a hardware module's name.

Source: TCG EK Credential Profile 2.5, section 3.2; RFC 4108, section 5.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TpmAttributes:
    """TPM attributes of an EK certificate; None where it does not say.

    ``manufacturer`` and ``version`` are as written: mostly ``id:`` and
    hexadecimal digits.
    """

    manufacturer: str | None
    model: str | None
    version: str | None

    @property
    def vendor(self) -> str | None:
        """The vendor's four letters in ``manufacturer``: ``IFX``, ``STM``."""
        if self.manufacturer is None or not self.manufacturer.startswith("id:"):
            return None
        try:
            raw = bytes.fromhex(self.manufacturer[3:])
            letters = raw.rstrip(b"\0").decode("ascii").strip()
        except ValueError:
            return None
        return letters if letters.isprintable() and letters else None


@dataclass(frozen=True, slots=True)
class HardwareModuleName:
    """Kind (object identifier) and serial number of a hardware module."""

    type: str
    serial: bytes
