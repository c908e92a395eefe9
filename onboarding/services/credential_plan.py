"""What the next TO2 makes of a device's credential, as the operator wants it."""

from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Self

from onboarding.protocol.env import Replacement
from onboarding.services.context import Context
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


def planned(context: Context, encoded: bytes | None, owner: str) -> CredentialPlan:
    """What the next TO2 really makes of a credential that belongs to key ``owner``.

    ``owner_fingerprint`` is the last successor of the key that is named, or of
    ``owner``. Where nothing was said of the device, the site's rule counts, but for a
    key that is retiring: else no device would ever leave it.
    """
    keys = context.owner_keys
    if encoded is None:
        heir = keys.successor(owner)
        reuse = context.settings.credential_reuse and heir is None
        return CredentialPlan(Mode.REUSE if reuse else Mode.REPLACE, None, heir)
    plan = CredentialPlan.decode(encoded)
    if plan.mode is Mode.REUSE:
        return plan
    named = plan.owner_fingerprint
    return replace(plan, owner_fingerprint=keys.successor(named or owner) or named)


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
