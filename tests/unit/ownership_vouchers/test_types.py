import hashlib
import hmac

import pytest

from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid, Hash, HashType


def test_a_guid_is_dashed_for_people_only() -> None:
    guid = Guid(bytes(range(16)))
    assert str(guid) == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert guid.hex == "000102030405060708090a0b0c0d0e0f"
    assert Guid.parse(str(guid)) == Guid.parse(guid.hex) == guid


@pytest.mark.parametrize("text", ["", "00", "zz" * 16, "00" * 17])
def test_another_guid_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Guid.parse(text)


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_guid_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(MalformedError):
        Guid(bytes(size))


@pytest.mark.parametrize("kind", [HashType.SHA384, HashType.HMAC_SHA384])
def test_a_hash_has_the_strength_asked_for_however_it_is_named(kind: HashType) -> None:
    digest = Hash.of(kind, b"a", b"b")
    assert digest == Hash(HashType.SHA384, hashlib.sha384(b"ab").digest())
    mac = Hash.mac(kind, b"key", b"ab")
    assert mac.type is HashType.HMAC_SHA384
    assert mac.value == hmac.digest(b"key", b"ab", "sha384")


def test_plain_and_keyed_hashes_belong_together() -> None:
    for kind in HashType:
        assert kind.plain.keyed is kind.keyed
        assert kind.keyed.is_mac
        assert not kind.plain.is_mac
        assert kind.size == hashlib.new(kind.digest_name).digest_size


def test_two_hashes_are_the_same_by_type_and_value() -> None:
    one = Hash.of(HashType.SHA256, b"x")
    assert one.same(Hash.from_item(one.to_item()))
    assert not one.same(Hash.of(HashType.SHA256, b"y"))
    assert not one.same(Hash(HashType.HMAC_SHA256, one.value))


REFUSED = {
    "unknown type": [-17, bytes(32)],
    "short value": [-16, bytes(31)],
    "value of another type": [-43, bytes(32)],
    "text": [-16, "x" * 32],
    "one item": [-16],
    "no array": b"x",
    "truth as type": [True, bytes(32)],
}


@pytest.mark.parametrize("item", REFUSED.values(), ids=REFUSED)
def test_what_is_no_hash_is_refused(item: object) -> None:
    with pytest.raises(MalformedError):
        Hash.from_item(item)
