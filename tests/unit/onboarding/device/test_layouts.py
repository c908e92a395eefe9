"""Credentials of other clients, told apart by their shape; all else is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.device.errors import CredentialUnreadable
from onboarding.device.layouts import FDO1, KeyOrigin, Layout, parse_stored
from onboarding.device.standard import DEVICE_KEY_HANDLE, dctpm
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid, Hash
from tests.support.any_bytes import ANY, mutations
from tests.support.transcripts import EC384, Transcript

# As go-fdo keeps it after DI: version, device info, GUID, rendezvous info, key hash.
CORE: list[Any] = cbor.array(
    cbor.decode(Transcript(EC384).device("credential_after_di"))
)
HANDLES = [0x81020002, 0x81020003]
OURS = DeviceCredential(
    Guid(CORE[2]), CORE[1], cbor.encode(CORE[3]), Hash.from_item(CORE[4])
)
TEN = [FDO1, True, *CORE, 0, *HANDLES]
LAYOUTS: dict[str, tuple[Layout, bytes]] = {
    "ours": (Layout.STANDARD, dctpm(OURS)),
    "standard": (Layout.STANDARD, cbor.encode([*CORE, 0, HANDLES[0]])),
    "an IDevID": (Layout.STANDARD, cbor.encode([*CORE, 1, 0x81020000])),
    "an LDevID": (Layout.STANDARD, cbor.encode([*CORE, 2, 0x81020005])),
    "rendezvous info in bytes": (
        Layout.STANDARD,
        cbor.encode([*CORE[:3], cbor.encode(CORE[3]), CORE[4], 0, HANDLES[0]]),
    ),
    "go with an IDevID": (Layout.GO_CLIENT, cbor.encode([[*CORE, 1, 0x81020000], 3])),
    "go": (Layout.GO_CLIENT, cbor.encode([[*CORE, 0, HANDLES[0]], 2])),
    "C": (Layout.C_CLIENT, cbor.encode([5, *CORE])),
    "C in a larger index": (Layout.C_CLIENT, cbor.encode([5, *CORE]) + bytes(100)),
    "draft": (Layout.FDO1, cbor.encode(TEN)),
    "draft without HMAC handle": (Layout.FDO1, cbor.encode(TEN[:9])),
    "draft as a map": (Layout.FDO1, cbor.encode(dict(enumerate(TEN)))),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_gives_the_same_credential(name: str) -> None:
    layout, data = LAYOUTS[name]
    found = parse_stored(data, True)
    assert (found.layout, found.active, found.version) == (layout, True, 101)
    assert (found.guid, found.device_info) == (OURS.guid, OURS.device_info)
    assert found.rv_info.raw == OURS.rv_info
    assert found.manufacturer_hash == OURS.manufacturer_hash


def test_ours_is_the_standard_one_to_the_byte() -> None:
    assert LAYOUTS["ours"][1] == LAYOUTS["standard"][1]
    assert parse_stored(dctpm(OURS)).device_key_handle == DEVICE_KEY_HANDLE
    assert parse_stored(cbor.encode(TEN)).hmac_key_handle == HANDLES[1]


@pytest.mark.parametrize(
    ("state", "active"),
    [(0, False), (1, False), (2, True), (3, True), (4, True), (5, False)],
)
def test_a_state_of_go_says_whether_it_is_active(state: int, active: bool) -> None:
    data = cbor.encode([[*CORE, 0, HANDLES[0]], state])
    assert parse_stored(data, not active).active is active


@pytest.mark.parametrize("state", range(8))
def test_every_state_of_c_is_read_and_the_flag_says_whether_it_is_active(
    state: int,
) -> None:
    for flag in (True, False, None):
        assert parse_stored(cbor.encode([state, *CORE]), flag).active is flag


ORIGINS = {"ours": 0, "an IDevID": 1, "an LDevID": 2, "go": 0, "draft": 0, "C": None}


@pytest.mark.parametrize("name", ORIGINS)
def test_a_layout_says_where_the_device_key_comes_from(name: str) -> None:
    found = parse_stored(LAYOUTS[name][1])
    origin = ORIGINS[name]
    assert found.key_origin is (None if origin is None else KeyOrigin(origin))


def test_without_a_flag_it_is_not_said_whether_it_is_active() -> None:
    assert parse_stored(dctpm(OURS)).active is None


BAD: dict[str, bytes] = {
    "nothing": b"",
    "not CBOR": b"\xff" * 64,
    "text": cbor.encode("DCTPM"),
    "five items": cbor.encode(CORE),
    "eight items": cbor.encode([True, *CORE, 0, HANDLES[0]]),
    "a GUID of 15 bytes": cbor.encode([*CORE[:2], bytes(15), *CORE[3:], 0, HANDLES[0]]),
    "no hash": cbor.encode([*CORE[:4], None, 0, HANDLES[0]]),
    "a handle of 33 bits": cbor.encode([*CORE, 0, 1 << 32]),
    "a type of key that is none": cbor.encode([*CORE, 3, HANDLES[0]]),
    "a type of key that is no number": cbor.encode([*CORE, True, HANDLES[0]]),
    "a type of key that go has not": cbor.encode([[*CORE, 3, HANDLES[0]], 2]),
    "a type of key that the drafts have not": cbor.encode([*TEN[:7], 3, *HANDLES]),
    "a state C does not know": cbor.encode([8, *CORE]),
    "a state below none": cbor.encode([-1, *CORE]),
    "a state go does not know": cbor.encode([[*CORE, 0, HANDLES[0]], 6]),
    "another magic": cbor.encode([FDO1 + 1, *TEN[1:]]),
    "a map without its magic": cbor.encode(dict(enumerate(TEN[1:], 1))),
    "a map with a gap": cbor.encode(
        {key: one for key, one in enumerate(TEN) if key != 4}
    ),
    "bytes after it": dctpm(OURS) + b"\1",
    "a slot of ours": b"VGC1" + bytes(60),
    "too much": cbor.encode([*CORE, 0, HANDLES[0]]) + bytes(5000),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_client_writes_is_refused(name: str) -> None:
    with pytest.raises(CredentialUnreadable, match="no credential of a client"):
        parse_stored(BAD[name])


@given(
    st.sampled_from(sorted(LAYOUTS)).flatmap(lambda n: mutations(LAYOUTS[n][1])) | ANY
)
def test_no_bytes_escape_the_error(data: bytes) -> None:
    try:
        parse_stored(data)
    except CredentialUnreadable:
        pass
