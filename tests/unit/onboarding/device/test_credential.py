"""The device's memory: round trips, take-over, and bytes that are not one."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import CredentialUnreadable
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid, Hash, HashType

FIRST = DeviceCredential(
    Guid(bytes(16)), "board", cbor.encode([]), Hash.of(HashType.SHA256, b"key")
)
SECOND = replace(FIRST, guid=Guid(b"\1" * 16))
OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")


@pytest.mark.parametrize(
    "identity",
    [Identity(FIRST), Identity(SECOND, FIRST), Identity(SECOND, FIRST, OWNER)],
    ids=["fresh from the factory", "unconfirmed", "owned"],
)
def test_an_identity_survives_storage(identity: Identity) -> None:
    assert Identity.decode(identity.encode()) == identity


def test_both_credentials_are_tried_until_the_new_one_is_seen_to_work() -> None:
    taken = Identity(FIRST).taken_over(SECOND, OWNER)
    assert taken.candidates() == (SECOND, FIRST)
    assert taken.confirmed().candidates() == (SECOND,)


@pytest.mark.parametrize("new", [None, FIRST], ids=["reused", "the same again"])
def test_a_reused_credential_leaves_no_second_one(new: DeviceCredential | None) -> None:
    assert Identity(FIRST).taken_over(new, OWNER) == Identity(FIRST, None, OWNER)


GOOD = [1, cbor.decode(Identity(FIRST).encode())[1], None, None]  # type: ignore[index]
BAD = {
    "empty": b"",
    "trailing byte": Identity(FIRST).encode() + b"\0",
    "later layout": cbor.encode([2, *GOOD[1:]]),
    "no active credential": cbor.encode([1, None, None, None]),
    "short guid": cbor.encode([1, [*GOOD[1][:2], b"x", *GOOD[1][3:]], None, None]),
    "key elsewhere": cbor.encode([1, [*GOOD[1][:6], 1], None, None]),
    "other protocol": cbor.encode([1, [100, *GOOD[1][1:]], None, None]),
    "owner without a key": cbor.encode([1, GOOD[1], None, [b"", "http://x"]]),
}


def test_the_item_the_bad_ones_are_made_from_is_good() -> None:
    assert Identity.decode(cbor.encode(GOOD)) == Identity(FIRST)


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_not_an_identity_says_to_start_again(data: bytes) -> None:
    with pytest.raises(CredentialUnreadable, match="device di"):
        Identity.decode(data)


@given(st.binary(max_size=300))
def test_no_bytes_escape_the_error(data: bytes) -> None:
    try:
        Identity.decode(data)
    except CredentialUnreadable:
        pass
