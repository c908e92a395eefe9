"""What the next TO2 makes of a device's credential, as the operator wants it."""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Self

from onboarding.protocol.env import Replacement
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.extend import next_owner_key
from ownership_vouchers.keys import KeyType
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.voucher import Voucher


@unique
class Mode(StrEnum):
    """Replace the credential, or leave it as it is."""

    REPLACE = "replace"
    REUSE = "reuse"


@dataclass(frozen=True, slots=True)
class CredentialPlan:
    """A choice for one device.

    For a replacement, ``rv_info`` and ``owner_fingerprint`` say what the new
    credential names; None leaves that to the site's rendezvous info and the voucher's
    owner key. Source: FDO 1.1, sections 5.5.7 and 7.
    """

    mode: Mode
    rv_info: bytes | None = None
    owner_fingerprint: str | None = None

    def encode(self) -> bytes:
        """Return what ``decode`` reads back."""
        return cbor.encode([self.mode.value, self.rv_info, self.owner_fingerprint])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        mode, rv_info, owner = cbor.array(cbor.decode(data), 3)
        return cls(
            Mode(cbor.tstr(mode)),
            None if rv_info is None else cbor.bstr(rv_info, limit=65536),
            None if owner is None else cbor.tstr(owner, 64),
        )


def replacement(
    voucher: Voucher, signer: SoftSigner, other: SoftSigner | None, rv_info: bytes
) -> Replacement:
    """Return what the device is to be given in place of its credential.

    Args:
        signer: Holds the voucher's last owner key.
        other: Holds the key that shall own the device from then on, if another one.
        rv_info: The RendezvousInfo item to give it.

    Raises:
        UnsupportedKeyError: The other key is not of the voucher's type.
    """
    info = RendezvousInfo.from_cbor(rv_info)
    if other is None:
        return Replacement(info, voucher.owner_key, signer)
    owner = next_owner_key(voucher, other.public_key)
    signer = other.padded(pss=owner.type is KeyType.RSAPSS)
    return Replacement(info, owner, signer)
