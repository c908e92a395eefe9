import itertools

import pytest
from cbor2 import CBORTag

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

REFUSED = {
    "nothing": "",
    "cut short": "1901",
    "byte after it": "8000",
    "indefinite array": "9f01ff",
    "indefinite bytes": "5f4101ff",
    "key twice": "a201000100",
    "key twice in two lengths": "a20100180100",
    "text that is not UTF-8": "61ff",
    "reserved length": "1c",
    "lone break": "ff",
    "longer than there is": "5bffffffffffffffff",
    "17 deep": "81" * 17 + "00",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_not_one_strict_item_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        cbor.decode(bytes.fromhex(text))


@pytest.mark.parametrize("tag", [0, 1, 2, 4, 18, 24, 28, 29, 35, 37, 100, 258, 55799])
def test_a_tag_stays_a_tag(tag: int) -> None:
    encoded = cbor.encode(CBORTag(tag, "x"))
    assert cbor.decode(encoded) == CBORTag(tag, "x")


def test_integers_longer_than_needed_are_read() -> None:
    assert cbor.decode(b"\x19\x00\x01") == 1
    assert cbor.encode(1) == b"\x01"


def test_an_array_is_cut_into_the_very_bytes_received() -> None:
    items = cbor.split(b"\x98\x03\x19\x00\x01\x41\x78\xd2\x80")
    assert items == (b"\x19\x00\x01", b"\x41\x78", b"\xd2\x80")
    assert cbor.split(b"\xd2\x81\x05", tag=18) == (b"\x05",)


CUT_REFUSED = {
    "no array": b"\xa0",
    "no bytes": b"",
    "byte after it": b"\x81\x05\x05",
    "item missing": b"\x82\x05",
    "indefinite": b"\x9f\x05\xff",
    "head of 5 bytes": b"\x9a\x00\x00\x00\x01\x05",
    "head cut short": b"\x99\x00",
}


@pytest.mark.parametrize("data", CUT_REFUSED.values(), ids=CUT_REFUSED)
def test_what_is_no_whole_array_is_not_cut(data: bytes) -> None:
    with pytest.raises(MalformedError):
        cbor.split(data)


def test_no_more_items_are_cut_than_asked_for() -> None:
    data = b"\x84\x01\x02\x03\x04"
    assert len(cbor.split(data, limit=4)) == 4
    with pytest.raises(MalformedError, match="array of 4 items, at most 3"):
        cbor.split(data, limit=3)
    assert cbor.split_sequence(data[1:], 3, 9) == (b"\x01", b"\x02", b"\x03")


def test_an_item_of_a_sequence_is_bounded() -> None:
    assert cbor.split_sequence(b"\x43abc" * 2, 9, 4) == (b"\x43abc",) * 2
    with pytest.raises(MalformedError):
        cbor.split_sequence(b"\x43abc", 9, 3)


def alike(pairs: int) -> bytes:
    """A map whose keys all have one hash in Python: arrays of -1 and -2."""
    keys = itertools.islice(itertools.product(b"\x20\x21", repeat=13), pairs)
    body = b"".join(b"\x8d" + bytes(key) + b"\0" for key in keys)
    return b"\xb9" + pairs.to_bytes(2, "big") + body


COSTLY = {
    "keys that hash alike": alike(300),
    "keys that hash alike, deep inside": b"\x81\xd2\x82" + alike(300) + b"\0",
    "many maps of such keys": b"\x90" + alike(200) * 16,
    "empty arrays": b"\x99\xff\xff" + b"\x80" * 0xFFFF,
    "numbers": b"\x99\xff\xff" + b"\0" * 0xFFFF,
}


@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY)
def test_what_would_cost_much_is_refused_before_it_is_built(data: bytes) -> None:
    for take in (cbor.decode, cbor.split):
        with pytest.raises(MalformedError):
            take(data)
    with pytest.raises(MalformedError):
        cbor.split_sequence(data, 9, len(data))


def test_much_is_taken_where_it_costs_little() -> None:
    large = [{n: b"x" * 100 for n in range(256)}, "x" * 100_000, bytes(100_000)]
    assert cbor.decode(cbor.encode(large)) == large
    assert len(cbor.split(cbor.encode(large))) == 3


@pytest.mark.parametrize("count", [0, 1, 23, 24, 255, 256, 65535])
def test_joined_items_are_the_array_of_them(count: int) -> None:
    joined = cbor.join([b"\x05"] * count)
    assert joined == cbor.encode([5] * count)
    assert cbor.length(joined) == count


def test_more_items_than_any_array_of_ours_has_are_not_joined() -> None:
    with pytest.raises(MalformedError):
        cbor.join([b"\x05"] * 65536)


@pytest.mark.parametrize("value", [object(), "\ud800", {1: object()}])
def test_what_cbor_cannot_say_is_our_error(value: object) -> None:
    with pytest.raises(MalformedError):
        cbor.encode(value)


SHAPES = {
    "array for a map": lambda: cbor.array({}),
    "array of another length": lambda: cbor.array([1], 2, 3),
    "array over its limit": lambda: cbor.array([1, 2], limit=1),
    "text for bytes": lambda: cbor.bstr("x"),
    "bytes of another length": lambda: cbor.bstr(b"x", 2),
    "bytes over their limit": lambda: cbor.bstr(b"xx", limit=1),
    "bytes for text": lambda: cbor.tstr(b"x"),
    "text over its limit": lambda: cbor.tstr("xx", limit=1),
    "truth for an integer": lambda: cbor.integer(True),
    "float for an integer": lambda: cbor.integer(1.0),
    "null for an integer": lambda: cbor.integer(None),
    "integer over 64 bits": lambda: cbor.integer(1 << 64),
    "negative for unsigned": lambda: cbor.uint(-1, 8),
    "256 for 8 bits": lambda: cbor.uint(256, 8),
    "one for a truth": lambda: cbor.boolean(1),
    "array for a map of pairs": lambda: cbor.mapping([]),
    "truth for a label": lambda: cbor.mapping(cbor.decode(b"\xa1\xf5\x00")),
    "float for a label": lambda: cbor.mapping(cbor.decode(b"\xa1\xf9\x3c\x00\x00")),
    "map over its limit": lambda: cbor.mapping({1: 1, 2: 2}, limit=1),
    "another tag": lambda: cbor.untag(CBORTag(17, 0), 18),
    "no tag where one must be": lambda: cbor.untag(0, 18, required=True),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_another_shape_is_refused(shape: object) -> None:
    assert callable(shape)
    with pytest.raises(MalformedError):
        shape()


def test_the_right_shapes_come_through() -> None:
    assert cbor.array((1, 2), 2) == [1, 2]
    assert cbor.bstr(b"xy", 2) == b"xy"
    assert cbor.tstr("xy", limit=2) == "xy"
    assert cbor.uint(255, 8) == 255
    assert cbor.integer(-(1 << 63)) == -(1 << 63)
    assert cbor.boolean(False) is False
    assert cbor.mapping({1: 2}) == {1: 2}
    assert cbor.untag(CBORTag(18, 5), 18) == cbor.untag(5, 18) == 5


def test_what_marks_the_end_of_an_item_ends_none_when_it_is_sent() -> None:
    sent = b"\x02" + cbor._AT_END + b"\x00"
    with pytest.raises(MalformedError):
        cbor.decode(sent)
