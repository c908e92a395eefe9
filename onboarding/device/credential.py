"""What a device remembers: who it is, whom it obeys, and who it was before.

Source: FDO 1.1, section 2.4.1, and the TPM profile's DCTPM for one credential; the
envelope around it is ours. The previous credential is kept until the new one has
been seen to work, so that a lost last message of TO2 locks nobody out.
"""

from dataclasses import dataclass, replace
from typing import Self

from onboarding.device.errors import CredentialUnreadable
from onboarding.protocol.device_env import DeviceCredential
from onboarding.wire.message import PROTOCOL_VERSION
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.keys import load_spki, spki
from ownership_vouchers.types import Guid, Hash

LAYOUT = 1
DEVICE_KEY_FDO = 0  # DeviceKeyType: made for FDO, neither IDevID nor LDevID
DEVICE_KEY_HANDLE = 0x81020002
MAX_STORED = 8192


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner this device proved itself to, and obeys since.

    ``key`` signs workloads and removal orders; ``url`` is where TO2 took place, and
    where the owner's device API is.
    """

    key: VerifyKey
    url: str

    def to_item(self) -> list[object]:
        return [spki(self.key), self.url]

    @classmethod
    def from_item(cls, item: object) -> Self:
        key, url = cbor.array(item, 2)
        return cls(load_spki(cbor.bstr(key, limit=1024)), cbor.tstr(url, 1024))


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything the device keeps between runs.

    ``previous`` is not None from the moment TO2 is about to end until the device has
    seen the owner use the ``active`` credential: until then both are tried.
    """

    active: DeviceCredential
    previous: DeviceCredential | None = None
    owner: Owner | None = None

    def candidates(self) -> tuple[DeviceCredential, ...]:
        """The credentials to try TO1 and TO2 with, likeliest first."""
        return (self.active,) if self.previous is None else (self.active, self.previous)

    def taken_over(self, new: DeviceCredential | None, owner: Owner) -> "Identity":
        """The identity once TO2 gave ``new``; None when the owner reused the old."""
        if new is None or new == self.active:
            return replace(self, owner=owner)
        return Identity(new, previous=self.active, owner=owner)

    def confirmed(self) -> "Identity":
        """The identity once the owner has been seen to know the active one."""
        return replace(self, previous=None)

    def encode(self) -> bytes:
        previous = None if self.previous is None else _item(self.previous)
        owner = None if self.owner is None else self.owner.to_item()
        return cbor.encode([LAYOUT, _item(self.active), previous, owner])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises CredentialUnreadable when ``data`` is not what ``encode`` made."""
        try:
            return cls._read(data)
        except VoucherError as error:
            raise CredentialUnreadable(
                f"the stored device credential is unreadable ({error}):"
                " start again with `vouchgate device di`"
            ) from error

    @classmethod
    def _read(cls, data: bytes) -> Self:
        item = cbor.decode(cbor.bstr(data, limit=MAX_STORED))
        layout, active, previous, owner = cbor.array(item, 4)
        if layout != LAYOUT:
            raise MalformedError(f"layout {layout} is not known to this version")
        return cls(
            _credential(active),
            None if previous is None else _credential(previous),
            None if owner is None else Owner.from_item(owner),
        )


def _item(credential: DeviceCredential) -> list[object]:
    """``DCTPM``."""
    return [
        PROTOCOL_VERSION,
        credential.device_info,
        credential.guid.raw,
        credential.rv_info,
        credential.manufacturer_hash.to_item(),
        DEVICE_KEY_FDO,
        DEVICE_KEY_HANDLE,
    ]


def _credential(item: object) -> DeviceCredential:
    version, info, guid, rv_info, key_hash, kind, handle = cbor.array(item, 7)
    if version != PROTOCOL_VERSION:
        raise MalformedError(f"protocol version {version}")
    if kind != DEVICE_KEY_FDO or handle != DEVICE_KEY_HANDLE:
        raise MalformedError("the device key is not where ours is kept")
    return DeviceCredential(
        Guid(cbor.bstr(guid, 16)),
        cbor.tstr(info),
        cbor.bstr(rv_info, limit=4096),
        Hash.from_item(key_hash),
    )
