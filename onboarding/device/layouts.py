"""Credentials that other FDO clients wrote into a TPM, and ours: one reader for all.

Read only, to say whose device this is before it is made anew. Which layout it is shows
in the shape of the CBOR item alone; one that fits none is no credential.

Sources: FDO Alliance, "Securing FDO Credentials in the TPM" (DCTPM); go-fdo-client
(``fdoTpmDeviceCredential``); client-sdk-fidoiot (``credentials_from_file.c``); drafts
of 2026 for a single index ("FDO1").
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum, unique
from typing import TYPE_CHECKING

from onboarding.device.errors import CredentialUnreadable
from onboarding.device.standard import ACTIVE, DC_ACTIVE, DC_TPM
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash

if TYPE_CHECKING:
    from hw.tpm import Tpm

MAX_STORED = 4096  # bytes of the index
FDO1 = 0x46444F31
GO_STATES = {0: False, 1: False, 2: True, 3: True, 4: True, 5: False}
"""State of go-fdo-client: made but without a credential, before TO1, idle, resold."""
C_STATES = range(8)
"""State of client-sdk-fidoiot, from permanently disabled to transfer disabled."""


@unique
class Layout(StrEnum):
    """Who writes a credential like this."""

    STANDARD = "DCTPM"
    GO_CLIENT = "go-fdo-client"
    C_CLIENT = "client-sdk-fidoiot"
    FDO1 = "FDO1 draft"


@unique
class KeyOrigin(IntEnum):
    """DeviceKeyType: which key of the TPM answers for the device."""

    FDO = 0  # follows from a unique string, and was made for FDO
    IDEVID = 1
    LDEVID = 2


@dataclass(frozen=True, slots=True)
class Stored:
    """What a TPM holds of a device's identity; ``active`` None when it is not said."""

    layout: Layout
    active: bool | None
    version: int  # of the protocol: 101 is FDO 1.1
    device_info: str
    guid: Guid
    rv_info: RendezvousInfo
    manufacturer_hash: Hash
    key_origin: KeyOrigin | None = None
    device_key_handle: int | None = None
    hmac_key_handle: int | None = None


def read_stored(tpm: "Tpm") -> Stored | None:
    """Read the credential at DCTPM's index, None when there is none.

    Raises:
        CredentialUnreadable: Something is there that no client we know writes.
        TpmError: The TPM does not give it, as when it is locked for reading.
    """
    data = tpm.nv_read(DC_TPM)
    if data is None or not any(data):
        return None
    flag = tpm.nv_read(DC_ACTIVE)
    return parse_stored(data, None if not flag else flag[:1] == ACTIVE)


def parse_stored(data: bytes, flag: bool | None = None) -> Stored:
    """Read one index's content; ``flag`` is DCActive, for layouts without their own.

    Raises:
        CredentialUnreadable: It is of none of the layouts.
    """
    try:
        return _parse(_item(data), flag)
    except VoucherError as error:
        raise CredentialUnreadable(
            f"the TPM holds something at {DC_TPM:#010x} that is no credential of a"
            f" client we know: {error}"
        ) from error


def _item(data: bytes) -> object:
    """The CBOR item in front: some clients define a larger index than they fill."""
    if len(data) > MAX_STORED:
        raise MalformedError(f"{len(data)} bytes")
    try:
        return cbor.decode(data)
    except VoucherError:
        return cbor.decode(data.rstrip(b"\0"))


def _parse(item: object, flag: bool | None) -> Stored:
    if isinstance(item, dict):
        found = cbor.mapping(item)
        items = [found[key] for key in range(len(found)) if key in found]
        return _draft(items)
    items = cbor.array(item)
    reader = _READERS.get(len(items))
    if reader is None:
        raise MalformedError(f"an array of {len(items)}")
    return reader(items, flag)


def _standard(items: list[object], flag: bool | None) -> Stored:
    *core, kind, handle = items
    return _stored(Layout.STANDARD, flag, core, _origin(kind), cbor.uint(handle, 32))


def _go_client(items: list[object], _: bool | None) -> Stored:
    core, state = items
    number = cbor.uint(state, 8)
    if number not in GO_STATES:
        raise MalformedError(f"state {number}")
    found = _standard(cbor.array(core, 7), GO_STATES[number])
    return replace(found, layout=Layout.GO_CLIENT)


def _c_client(items: list[object], flag: bool | None) -> Stored:
    state, *core = items
    if cbor.uint(state, 8) not in C_STATES:
        raise MalformedError(f"state {state}")
    return _stored(Layout.C_CLIENT, flag, core)


def _draft(items: list[object], _: bool | None = None) -> Stored:
    if len(items) not in (9, 10) or cbor.uint(items[0], 32) != FDO1:
        raise MalformedError("not marked as FDO1")
    _magic, active, *core = items[:7]
    origin, handles = _origin(items[7]), [cbor.uint(one, 32) for one in items[8:]]
    return _stored(Layout.FDO1, cbor.boolean(active), core, origin, *handles)


def _origin(item: object) -> KeyOrigin:
    try:
        return KeyOrigin(cbor.uint(item, 8))
    except ValueError as error:
        raise MalformedError(f"device key of type {item}") from error


def _stored(
    layout: Layout,
    active: bool | None,
    core: list[object],
    origin: KeyOrigin | None = None,
    *handles: int,
) -> Stored:
    version, info, guid, rv_info, key_hash = core
    return Stored(
        layout,
        active,
        cbor.uint(version, 16),
        cbor.tstr(info, 1024),
        Guid(cbor.bstr(guid, 16)),
        RendezvousInfo.from_cbor(_rv_info(rv_info)),
        Hash.from_item(key_hash),
        origin,
        *handles,
    )


def _rv_info(item: object) -> bytes:
    """Some write it as an item, others as one in a byte string."""
    if isinstance(item, bytes):
        return item
    return cbor.encode(cbor.array(item))


_READERS: dict[int, Callable[[list[object], bool | None], Stored]] = {
    2: _go_client,
    6: _c_client,
    7: _standard,
    9: _draft,
    10: _draft,
}
