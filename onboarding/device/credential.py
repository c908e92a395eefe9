"""What a device remembers: who it is, whom it obeys, and who it was before.

Source: FDO 1.1, section 2.4.1, and the TPM profile's DCTPM for one credential; the
envelope around it is ours. A new credential is kept before TO2's last message is
sent and takes the old one's place when the answer has come: a lost message locks nobody
out, and no owner of before can have the device back.
"""

from dataclasses import dataclass
from typing import Self

from onboarding.device.errors import CredentialUnreadable
from onboarding.device.standard import DEVICE_KEY_FDO, DEVICE_KEY_HANDLE
from onboarding.protocol.device_env import DeviceCredential
from onboarding.wire.message import PROTOCOL_VERSION
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.keys import load_spki, spki
from ownership_vouchers.types import Guid, Hash

FIRST_LAYOUT, SECOND_LAYOUT, LAYOUT = 1, 2, 3
MAX_STORED = 8192
MAX_KEY_REF = 128
_OWNERS = {FIRST_LAYOUT: 1, SECOND_LAYOUT: 2, LAYOUT: 2}  # items of owners in each


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
class KeyRefs:
    """Which keys a credential is answered with, as the machine names them.

    An empty name stands for the key in the usual place, of a device made before keys
    had names.
    """

    device: bytes = b""
    mac: bytes = b""

    def to_item(self) -> list[object]:
        return [self.device, self.mac]

    @classmethod
    def from_item(cls, item: object) -> Self:
        device, mac = cbor.array(item, 2)
        return cls(
            cbor.bstr(device, limit=MAX_KEY_REF), cbor.bstr(mac, limit=MAX_KEY_REF)
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """What TO2 is about to make of the device: kept before 70, taken on after 71.

    ``mac`` names the HMAC key of its header: a device that is sold gets a new one.
    """

    credential: DeviceCredential
    owner: Owner
    mac: bytes = b""


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything the device keeps between runs.

    ``pending`` is there from the moment TO2 is about to end until its last message:
    the owner may know that credential by then, or not yet, so both are tried.
    """

    active: DeviceCredential
    owner: Owner | None = None
    pending: Pending | None = None
    keys: KeyRefs = KeyRefs()

    def candidates(self) -> tuple[DeviceCredential, ...]:
        """The credentials to try TO1 and TO2 with.

        The newest first: whoever bought the device in between knows only that one.
        """
        if self.pending is None:
            return (self.active,)
        return (self.pending.credential, self.active)

    def awaiting(
        self,
        used: DeviceCredential,
        new: DeviceCredential,
        owner: Owner,
        mac: bytes = b"",
    ) -> "Identity":
        """The identity while TO2 under ``used`` waits for its last message.

        The owner has shown to know ``used``, so what else was in doubt is settled.
        """
        pending = Pending(new, owner, mac)
        return Identity(used, self.owner_of(used), pending, self.keys_of(used))

    def taken(self) -> "Identity":
        """The identity once the last message has come."""
        if self.pending is None:
            return self
        keys = self.keys_of(self.pending.credential)
        return Identity(self.pending.credential, self.pending.owner, keys=keys)

    def reused(self, used: DeviceCredential, owner: Owner) -> "Identity":
        """The identity once an owner left the credential as it was."""
        return Identity(used, owner, keys=self.keys_of(used))

    def keys_of(self, credential: DeviceCredential) -> KeyRefs:
        """Return which keys answer for one of the candidates."""
        pending = self.pending
        if pending is not None and credential == pending.credential:
            return KeyRefs(self.keys.device, pending.mac)
        return self.keys

    def owner_of(self, credential: DeviceCredential) -> Owner | None:
        """Return who gave the device that credential, or left it as it was."""
        if credential == self.active:
            return self.owner
        if self.pending is not None and credential == self.pending.credential:
            return self.pending.owner
        return None

    def encode(self) -> bytes:
        """Return at most what the memory of a TPM holds, if owners keep to reason."""
        pending = self.pending
        other = None if pending is None else pending.credential
        same = other is not None and other.rv_info == self.active.rv_info
        return cbor.encode(
            [
                LAYOUT,
                _item(self.active),
                None if other is None else _item(other, leave_out_rv_info=same),
                self.owner and self.owner.to_item(),
                pending and pending.owner.to_item(),
                self.keys.to_item(),
                pending and pending.mac,
            ]
        )

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
        layout, *rest = cbor.array(item, 4, 5, 7)
        owners, keys, mac = _parts(layout, rest)
        active_item, other_item = rest[:2]
        active = _credential(active_item)
        other = None if other_item is None else _credential(other_item, active.rv_info)
        if layout == FIRST_LAYOUT:
            return cls._of_first_layout(active, other, owners[0])
        owner, next_owner = owners
        missing = {one is None for one in (other, next_owner, mac)}
        if len(missing) > 1:
            raise MalformedError("half of what is pending")
        if other is None or next_owner is None or mac is None:
            return cls(active, owner, keys=keys)
        return cls(active, owner, Pending(other, next_owner, mac), keys)

    @classmethod
    def _of_first_layout(
        cls, new: DeviceCredential, old: DeviceCredential | None, owner: Owner | None
    ) -> Self:
        """There the new one came first, as long as nobody had seen it to work."""
        if old is None or owner is None:
            return cls(new, owner)
        return cls(old, None, Pending(new, owner))


def _parts(
    layout: object, rest: list[object]
) -> tuple[list[Owner | None], KeyRefs, bytes | None]:
    """Owners, names of keys, and that of the pending credential's HMAC key."""
    count = _OWNERS.get(cbor.uint(layout, 8))
    if count is None or len(rest) != (6 if layout == LAYOUT else 2 + count):
        raise MalformedError(f"layout {layout} is not known to this version")
    owners = [
        None if one is None else Owner.from_item(one) for one in rest[2 : 2 + count]
    ]
    if layout != LAYOUT:
        other = rest[1]
        return owners, KeyRefs(), None if other is None else b""
    mac = None if rest[5] is None else cbor.bstr(rest[5], limit=MAX_KEY_REF)
    return owners, KeyRefs.from_item(rest[4]), mac


def _item(
    credential: DeviceCredential, *, leave_out_rv_info: bool = False
) -> list[object]:
    """``DCTPM``; null for rendezvous information that is the active credential's."""
    return [
        PROTOCOL_VERSION,
        credential.device_info,
        credential.guid.raw,
        None if leave_out_rv_info else credential.rv_info,
        credential.manufacturer_hash.to_item(),
        DEVICE_KEY_FDO,
        DEVICE_KEY_HANDLE,
    ]


def _credential(item: object, active: bytes | None = None) -> DeviceCredential:
    version, info, guid, rv_info, key_hash, kind, handle = cbor.array(item, 7)
    if version != PROTOCOL_VERSION:
        raise MalformedError(f"protocol version {version}")
    if kind != DEVICE_KEY_FDO or handle != DEVICE_KEY_HANDLE:
        raise MalformedError("the device key is not where ours is kept")
    return DeviceCredential(
        Guid(cbor.bstr(guid, 16)),
        cbor.tstr(info),
        active if rv_info is None and active else cbor.bstr(rv_info, limit=4096),
        Hash.from_item(key_hash),
    )
