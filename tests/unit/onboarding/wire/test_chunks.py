"""Cutting ServiceInfo to size and joining it again."""

import pytest

from onboarding.wire.chunks import (
    DEFAULT_SIZE,
    MAX_HEADS,
    MAX_STREAM,
    fits,
    pack,
    reassemble,
    room,
    size_limit,
)
from onboarding.wire.serviceinfo import DeviceServiceInfo, Kv, OwnerServiceInfo
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

LONG = cbor.encode(bytes(3000))


@pytest.mark.parametrize(
    ("stated", "kept"),
    [(None, 1300), (0, 1300), (255, 1300), (256, 256), (1300, 1300), (65535, 65535)],
)
def test_a_size_that_is_too_small_to_be_meant_is_the_default(
    stated: int | None, kept: int
) -> None:
    assert DEFAULT_SIZE == 1300
    assert size_limit(stated) == kept


@pytest.mark.parametrize("limit", [256, 257, 300, 1300, 4000, 65535])
def test_no_message_is_over_the_limit_and_nothing_is_lost(limit: int) -> None:
    queue: tuple[Kv, ...] = tuple((f"m:k{i}", cbor.encode("x" * i)) for i in range(60))
    queue += (("m:long", LONG), ("m:last", b"\xf5"))
    sent: list[Kv] = []
    partial = None
    rest = queue
    while rest:
        kvs, rest = pack(rest, limit)
        for body in (
            OwnerServiceInfo(bool(rest), False, kvs).encode(),
            DeviceServiceInfo(bool(rest), kvs).encode(),
        ):
            assert len(body) <= limit
        items, partial = reassemble(partial, kvs, more=bool(rest))
        sent += items
    assert tuple(sent) == queue
    assert partial is None


def test_a_value_that_fits_a_message_of_its_own_is_not_cut() -> None:
    queue = (("m:a", cbor.encode(bytes(150))), ("m:b", cbor.encode(bytes(150))))
    first, rest = pack(queue, 256)
    assert (first, rest) == (queue[:1], queue[1:])


def test_room_is_what_fits() -> None:
    free = room(256, ("m:a", b"\xf5"))
    value = bytes(free - len("m:b") - 4)
    assert fits("m:b", value, free)
    assert not fits("m:b", value + b"\0", free)
    assert pack((("m:a", b"\xf5"), ("m:b", value)), 256)[1] == ()
    assert pack((("m:a", b"\xf5"), ("m:b", value + b"\0")), 256)[1] != ()


def test_values_of_one_key_are_one_sequence() -> None:
    """One peer lists module by module, another sends two chunks in one message."""
    two = [("m:data", b"\x41a"), ("m:data", b"\x41b")]
    assert reassemble(None, two, more=False) == (two, None)
    joined = [("m:data", b"\x41a\x41b")]
    assert reassemble(None, joined, more=False) == (two, None)


def test_a_value_cut_within_one_message_is_joined() -> None:
    cut = [("m:data", b"\x43a"), ("m:data", b"bc")]
    assert reassemble(None, cut, more=False)[0] == [("m:data", b"\x43abc")]


def test_a_value_cut_between_messages_is_joined() -> None:
    items, partial = reassemble(None, [("m:data", b"\x43a")], more=True)
    assert (items, partial) == ([], ("m:data", b"\x43a"))
    items, partial = reassemble(
        partial, [("m:data", b"bc"), ("m:x", b"\0")], more=False
    )
    assert items == [("m:data", b"\x43abc"), ("m:x", b"\0")]
    assert partial is None


@pytest.mark.parametrize(
    "item",
    [
        *(0, 23, 24, 255, 256, 65536, 1 << 32, -1, -500),
        *(b"", b"x" * 300, "text", [], {}, True, None, 1.5, [[]] * 40),
        [1, [2, {"a": b"x"}]],
        {1: [], "k": {2: b""}},
    ],
)
def test_an_item_is_cut_anywhere_and_joined_again(item: object) -> None:
    value = cbor.encode(item)
    for at in range(1, len(value)):
        first, partial = reassemble(None, [("m:k", value[:at])], more=True)
        assert first == []
        items, left = reassemble(partial, [("m:k", value[at:])], more=False)
        assert (items, left) == ([("m:k", value)], None)


MANY = b"\x80" * MAX_HEADS
OVER = b"\x5a\x7f\xff\xff\xff" + bytes(MAX_STREAM)
WRONG: dict[str, tuple[list[Kv], bool]] = {
    "cut and not continued": ([("m:a", b"\x43a")], False),
    "cut and another key follows": ([("m:a", b"\x43a"), ("m:b", b"\0")], True),
    "indefinite length": ([("m:a", b"\x9f\x00\xff")], False),
    "reserved additional information": ([("m:a", b"\x1c")], False),
    "longer than we keep": (
        [("m:a", b"\x5a\x7f\xff\xff\xff" + bytes(MAX_STREAM))],
        True,
    ),
    "of more items than any module has": ([("m:a", b"\x99\x08\x00" + MANY)], True),
}


def test_as_many_items_as_are_let_in_are_joined() -> None:
    value = b"\x99\x07\xff" + MANY[1:]
    first, partial = reassemble(None, [("m:k", value[:900])], more=True)
    assert first == []
    assert reassemble(partial, [("m:k", value[900:])], more=False)[0] == [
        ("m:k", value)
    ]


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_joined_is_malformed(name: str) -> None:
    kvs, more = WRONG[name]
    with pytest.raises(MalformedError):
        reassemble(None, kvs, more=more)
