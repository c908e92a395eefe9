"""The device's memory: round trips, take-over, and bytes that are not one."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from hw.credential import MAX_CREDENTIAL
from hw.key_ref import MAX_REF
from onboarding.device.credential import Identity, KeyRefs, Owner, Pending
from onboarding.device.errors import CredentialUnreadable
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash, HashType

FIRST = DeviceCredential(
    Guid(bytes(16)), "board", cbor.encode([]), Hash.of(HashType.SHA256, b"key")
)
SECOND = replace(FIRST, guid=Guid(b"\1" * 16))
ELSEWHERE = replace(SECOND, guid=Guid(b"\2" * 16), rv_info=cbor.encode([[]]))
OTHER_OWNER = Owner(
    ec.generate_private_key(ec.SECP384R1()).public_key(), "https://owner.example"
)
OWNER = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")


@pytest.mark.parametrize(
    "identity",
    [
        Identity(FIRST),
        Identity(SECOND, OWNER),
        Identity(FIRST, pending=Pending(SECOND, OWNER)),
        Identity(FIRST, OWNER, Pending(ELSEWHERE, OTHER_OWNER)),
        Identity(FIRST, OWNER, Pending(SECOND, OWNER, b"m2"), KeyRefs(b"d", b"m1")),
    ],
    ids=["fresh from the factory", "owned", "in doubt", "owned and in doubt", "named"],
)
def test_an_identity_survives_storage(identity: Identity) -> None:
    assert Identity.decode(identity.encode()) == identity


def test_both_credentials_are_tried_until_the_last_message_has_come() -> None:
    awaiting = Identity(FIRST).awaiting(FIRST, SECOND, OWNER)
    assert (awaiting.active, awaiting.owner) == (FIRST, None)  # no owner before 71
    assert awaiting.candidates() == (SECOND, FIRST)
    taken = awaiting.taken()
    assert (taken.active, taken.owner, taken.pending) == (SECOND, OWNER, None)
    assert taken.candidates() == (SECOND,)  # no owner of before can have it back


def test_a_reused_credential_leaves_no_second_one() -> None:
    in_doubt = Identity(FIRST, pending=Pending(SECOND, OWNER))
    assert in_doubt.reused(FIRST, OWNER) == Identity(FIRST, OWNER)


def test_an_owner_that_knows_the_older_credential_settles_the_doubt() -> None:
    in_doubt = Identity(FIRST, OWNER, Pending(SECOND, OTHER_OWNER))
    again = in_doubt.awaiting(FIRST, ELSEWHERE, OTHER_OWNER)
    assert again.candidates() == (ELSEWHERE, FIRST)
    assert again.owner == OWNER
    bought = in_doubt.awaiting(SECOND, ELSEWHERE, OWNER)
    assert bought.candidates() == (ELSEWHERE, SECOND)
    assert bought.owner == OTHER_OWNER


def test_each_credential_has_the_hmac_key_it_was_made_with() -> None:
    made = Identity(FIRST, keys=KeyRefs(b"device", b"first"))
    awaiting = made.awaiting(FIRST, SECOND, OWNER, b"second")
    assert awaiting.keys_of(FIRST) == KeyRefs(b"device", b"first")
    assert awaiting.keys_of(SECOND) == KeyRefs(b"device", b"second")
    assert awaiting.taken().keys == KeyRefs(b"device", b"second")
    assert awaiting.reused(FIRST, OWNER).keys == made.keys
    bought = awaiting.awaiting(SECOND, ELSEWHERE, OTHER_OWNER, b"third")
    assert bought.keys == KeyRefs(b"device", b"second")
    assert bought.taken().keys == KeyRefs(b"device", b"third")


def test_an_identity_in_doubt_fits_the_memory_of_a_tpm() -> None:
    """With RSA-3072 owner keys, old and new, and four directives."""
    names = [{"dns": f"rv{n}.example.com", "protocol": "https"} for n in range(4)]
    rv_info = RendezvousInfo.build(names).raw
    owners = [
        Owner(rsa.generate_private_key(65537, 3072).public_key(), "https://o.example")
        for _ in range(2)
    ]
    old, new = replace(FIRST, rv_info=rv_info), replace(SECOND, rv_info=rv_info)
    name = bytes(MAX_REF)
    pending = Pending(new, owners[1], name)
    identity = Identity(old, owners[0], pending, KeyRefs(name, name))
    assert len(identity.encode()) <= MAX_CREDENTIAL
    assert Identity.decode(identity.encode()) == identity


ACTIVE = cbor.decode(Identity(FIRST).encode())[1]  # type: ignore[index]
GOOD: list[Any] = [2, ACTIVE, None, None, None]
NAMED: list[Any] = [3, ACTIVE, None, None, None, [b"d", b"m"], None]
OWNER_ITEM = OWNER.to_item()
BAD = {
    "empty": b"",
    "trailing byte": Identity(FIRST).encode() + b"\0",
    "later layout": cbor.encode([4, *NAMED[1:]]),
    "third layout with five items": cbor.encode([3, *GOOD[1:]]),
    "second layout with seven": cbor.encode([2, *NAMED[1:]]),
    "keys without names": cbor.encode([*NAMED[:5], None, None]),
    "one name": cbor.encode([*NAMED[:5], [b"d"], None]),
    "a name of 129 bytes": cbor.encode([*NAMED[:5], [bytes(129), b""], None]),
    "a key to be, without a credential": cbor.encode([*NAMED[:6], b"m"]),
    "a credential to be, without a key": cbor.encode(
        [3, ACTIVE, ACTIVE, None, OWNER_ITEM, [b"d", b"m"], None]
    ),
    "first layout with five items": cbor.encode([1, *GOOD[1:]]),
    "second layout with four": cbor.encode(GOOD[:4]),
    "no active credential": cbor.encode([2, None, None, None, None]),
    "short guid": cbor.encode([2, [*GOOD[1][:2], b"x", *GOOD[1][3:]], *[None] * 3]),
    "no rendezvous information": cbor.encode(
        [2, [*GOOD[1][:3], None, *GOOD[1][4:]], *[None] * 3]
    ),
    "key elsewhere": cbor.encode([2, [*GOOD[1][:6], 1], *[None] * 3]),
    "other protocol": cbor.encode([2, [100, *GOOD[1][1:]], *[None] * 3]),
    "owner without a key": cbor.encode([2, GOOD[1], None, [b"", "http://x"], None]),
    "an owner to be, without a credential": cbor.encode([*GOOD[:4], OWNER_ITEM]),
    "a credential to be, without an owner": cbor.encode(
        [2, GOOD[1], GOOD[1], None, None]
    ),
}


def test_what_the_first_layout_kept_is_still_read() -> None:
    second = [*GOOD[1][:2], SECOND.guid.raw, *GOOD[1][3:]]
    settled = cbor.encode([1, second, None, OWNER_ITEM])
    assert Identity.decode(settled) == Identity(SECOND, OWNER)
    in_doubt = cbor.encode([1, second, GOOD[1], OWNER_ITEM])
    pending = Pending(SECOND, OWNER)
    assert Identity.decode(in_doubt) == Identity(FIRST, None, pending)


def test_the_item_the_bad_ones_are_made_from_is_good() -> None:
    assert Identity.decode(cbor.encode(GOOD)) == Identity(FIRST)
    named = Identity(FIRST, keys=KeyRefs(b"d", b"m"))
    assert Identity.decode(cbor.encode(NAMED)) == named


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
