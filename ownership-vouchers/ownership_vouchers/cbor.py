"""Strict CBOR: one item, nothing after it, every shape checked.

What a tag means is left to the caller: an unexpected tag reaches the shape
helpers as a tag and is refused there. Source: RFC 8949.
"""

import io
import secrets
from collections.abc import Callable, Sequence
from typing import cast

import cbor2
from cbor2 import CBORTag

from ownership_vouchers.errors import MalformedError

MAX_DEPTH = 16
MAX_ITEMS = 4096  # in one item, all depths: a voucher of 255 entries has 1540
MAX_PAIRS = 256  # in one map
_SMALL = 4096  # bytes that can cost no more than a few milliseconds, whatever they say
_ARGUMENT = {24: 1, 25: 2, 26: 4, 27: 8}  # bytes that follow a head
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6  # major types

_ARRAYS = (list, tuple)
_NO_KEYS = frozenset({bool, float})
_MAPS = (dict, cbor2.frozendict)  # what cbor2 builds, and no abstract class: it is slow

# Tags that cbor2 would turn into dates, patterns, shared references and such.
_INTERPRETED = (
    *range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004,
    43000, 55799,
)  # fmt: skip


def _uninterpreted(tag: int) -> Callable[[object, bool], object]:
    return lambda value, _immutable: CBORTag(tag, value)


_PLAIN_TAGS = {tag: _uninterpreted(tag) for tag in _INTERPRETED}
_FAULTS = (cbor2.CBORError, ValueError, TypeError, OverflowError)

# Put behind an item whose end is to be found: what nobody can know stands where, and
# only where, the item ends.
_END = secrets.token_bytes(16)
_PAIR, _AT_END = b"\x82", b"\x50" + _END


def _decoder(stream: io.BytesIO) -> cbor2.CBORDecoder:
    return cbor2.CBORDecoder(
        stream,
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        semantic_decoders=_PLAIN_TAGS,
    )


def decode(data: bytes, max_depth: int = MAX_DEPTH) -> object:
    """Decode exactly one CBOR item.

    Raises:
        MalformedError: Not well-formed, bytes after the item, a repeated map
            key, an indefinite length, nesting deeper than ``max_depth``, or more
            in it than MAX_ITEMS or MAX_PAIRS.
    """
    if len(data) > _SMALL:
        survey(data)
    try:
        item, end = cbor2.loads(
            b"".join((_PAIR, data, _AT_END)),
            max_depth=max_depth + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_PLAIN_TAGS,
        )
    except _FAULTS as error:
        raise MalformedError("not one well-formed CBOR item") from error
    if end != _END or _END in data:  # nobody can know it, but a fuzzer that is told
        raise MalformedError("something stands after the item")
    return cast(object, item)


def survey(data: bytes, start: int = 0) -> int:
    """Return where the item at ``start`` ends; nothing is built from it.

    A map whose keys are chosen to hash alike takes time by the square of their
    number, and an array of empty arrays sixty times its size in memory.

    Raises:
        MalformedError: There is more in it than any structure of ours has.
    """
    at, items, left = start, 0, 1
    while left and at < len(data):
        major, low = data[at] >> 5, data[at] & 0x1F
        at += 1
        extra = _ARGUMENT.get(low, 0)
        argument = int.from_bytes(data[at : at + extra], "big") if extra else low
        at += extra + (argument if major in (_BYTES, _TEXT) else 0)
        left += {_ARRAY: argument, _MAP: 2 * argument, _TAG: 1}.get(major, 0) - 1
        items += 1
        if items > MAX_ITEMS or (major == _MAP and argument > MAX_PAIRS):
            raise MalformedError("more items than any structure of ours has")
    return at


def split_sequence(data: bytes, limit: int, item_limit: int) -> tuple[bytes, ...]:
    """Cut a CBOR sequence into the raw bytes of its first ``limit`` items.

    Raises:
        MalformedError: Not a sequence, or an item of over ``item_limit`` bytes.
    """
    items: list[bytes] = []
    start = 0
    while start < len(data) and len(items) < limit:
        end = survey(data, start)
        if end - start > item_limit:
            raise MalformedError(f"an item over {item_limit} bytes")
        items.append(data[start:end])
        decode(items[-1])
        start = end
    return tuple(items)


def _next(decoder: cbor2.CBORDecoder) -> object:
    try:
        return cast(object, decoder.decode())
    except _FAULTS as error:
        raise MalformedError("not one well-formed CBOR item") from error


def encode(value: object) -> bytes:
    """Encode with definite lengths and shortest integers; maps keep our order.

    Raises:
        MalformedError: No CBOR can say it (a lone surrogate, an object).

    Source: RFC 8949, section 4.2 (our own maps are written in its key order).
    """
    try:
        return cbor2.dumps(value)
    except (cbor2.CBOREncodeError, ValueError, TypeError) as error:
        raise MalformedError("not a value that CBOR has") from error


def split(data: bytes, tag: int | None = None, limit: int = 256) -> tuple[bytes, ...]:
    """Cut one array into the raw bytes of its items, exactly as received.

    Args:
        data: The array, nothing before or after it.
        tag: The tag (0..23) that must stand before the array, if any.
        limit: The most items taken.

    Raises:
        MalformedError: Not such an array.
    """
    return tuple(raw for raw, _ in parts(data, tag, limit))


def parts(
    data: bytes, tag: int | None = None, limit: int = 256
) -> tuple[tuple[bytes, object], ...]:
    """As ``split``, each item's bytes with what ``decode`` makes of them."""
    if len(data) > _SMALL:
        survey(data)
    start = 0
    if tag is not None:
        if data[:1] != bytes([0xC0 | tag]):
            raise MalformedError(f"no tag {tag}")
        start = 1
    count, position = _array_head(data, start, limit)
    stream = io.BytesIO(data)
    stream.seek(position)
    decoder = _decoder(stream)
    items = []
    for _ in range(count):
        value = _next(decoder)
        end = stream.tell()
        items.append((data[position:end], value))
        position = end
    if position != len(data):
        raise MalformedError(f"{len(data) - position} bytes after the array")
    return tuple(items)


def length(data: bytes) -> int:
    """Return how many items the array that begins ``data`` says it has."""
    return _array_head(data, 0, 65535)[0]


def join(items: Sequence[bytes]) -> bytes:
    """Write an array of items that are encoded already.

    Raises:
        MalformedError: There are over 65535 of them.
    """
    return _written_head(len(items)) + b"".join(items)


def _written_head(count: int) -> bytes:
    if count < 24:
        return bytes([0x80 | count])
    if count < 256:
        return bytes([0x98, count])
    if count > 65535:
        raise MalformedError(f"an array of {count} items")
    return b"\x99" + count.to_bytes(2, "big")


def _array_head(data: bytes, start: int, limit: int) -> tuple[int, int]:
    """Return the number of items and where the first one starts."""
    head = data[start : start + 3]
    if not head or head[0] >> 5 != 4:
        raise MalformedError("not an array")
    low = head[0] & 0x1F
    extra = {24: 1, 25: 2}.get(low, 0)
    if low > 25 or len(head) < 1 + extra:
        raise MalformedError("array head is not definite and short")
    count = low if not extra else int.from_bytes(head[1 : 1 + extra], "big")
    if count > limit:
        raise MalformedError(f"array of {count} items, at most {limit} taken")
    return count, start + 1 + extra


def array(item: object, *lengths: int, limit: int = 256) -> list[object]:
    """Return ``item`` if it is an array of one of ``lengths`` (any, if none)."""
    if not isinstance(item, _ARRAYS):
        raise MalformedError(f"{_kind(item)} where an array belongs")
    if lengths and len(item) not in lengths:
        raise MalformedError(f"array of {len(item)} items, not {lengths}")
    if len(item) > limit:
        raise MalformedError(f"array of {len(item)} items, at most {limit} taken")
    return list(item)


def bstr(item: object, size: int | None = None, limit: int = 65535) -> bytes:
    """Return ``item`` if it is a byte string of ``size`` or up to ``limit``."""
    if not isinstance(item, bytes):
        raise MalformedError(f"{_kind(item)} where a byte string belongs")
    if size is not None and len(item) != size:
        raise MalformedError(f"byte string of {len(item)} bytes, not {size}")
    if len(item) > limit:
        raise MalformedError(f"byte string over {limit} bytes")
    return item


def tstr(item: object, limit: int = 255) -> str:
    """Return ``item`` if it is a text string of at most ``limit`` characters."""
    if not isinstance(item, str):
        raise MalformedError(f"{_kind(item)} where a text string belongs")
    if len(item) > limit:
        raise MalformedError(f"text string over {limit} characters")
    return item


def integer(item: object) -> int:
    """Return ``item`` if it is an integer of CBOR's 64-bit range."""
    if not isinstance(item, int) or isinstance(item, bool):
        raise MalformedError(f"{_kind(item)} where an integer belongs")
    if not -(1 << 63) <= item < 1 << 64:
        raise MalformedError("integer out of range")
    return item


def uint(item: object, bits: int) -> int:
    """Return ``item`` if it is an unsigned integer of ``bits`` bits."""
    value = integer(item)
    if not 0 <= value < 1 << bits:
        raise MalformedError(f"{value} is not an unsigned {bits}-bit integer")
    return value


def boolean(item: object) -> bool:
    if not isinstance(item, bool):
        raise MalformedError(f"{_kind(item)} where a boolean belongs")
    return item


def mapping(item: object, limit: int = 32) -> dict[object, object]:
    """Return ``item`` if it is a map of at most ``limit`` pairs.

    Keys that Python takes for equal, and CBOR does not, are refused: true and 1.0 are
    no label 1.
    """
    if not isinstance(item, _MAPS):
        raise MalformedError(f"{_kind(item)} where a map belongs")
    if not _NO_KEYS.isdisjoint(map(type, item)):
        raise MalformedError("a map with a key that is no label")
    if len(item) > limit:
        raise MalformedError(f"map of {len(item)} pairs, at most {limit} taken")
    return dict(item)


def untag(item: object, tag: int, *, required: bool = False) -> object:
    """Return what stands under ``tag``; an untagged item as it is."""
    if isinstance(item, CBORTag):
        if item.tag != tag:
            raise MalformedError(f"tag {item.tag} where {tag} belongs")
        return item.value
    if required:
        raise MalformedError(f"no tag {tag}")
    return item


def _kind(item: object) -> str:
    return "null" if item is None else type(item).__name__
