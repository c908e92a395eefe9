"""Cutting ServiceInfo to the peer's size, and joining what it has cut.

Consecutive values under one key are one stream: a CBOR sequence whose items
may be cut anywhere. Source: FDO 1.1, section 3.9.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from onboarding.wire.serviceinfo import Kv
from ownership_vouchers.errors import MalformedError

DEFAULT_SIZE = 1300
MIN_SIZE = 256
MAX_STREAM = 65536
MAX_HEADS = 2048  # in one value, all depths: a cut one is walked again each message
TUNNEL = 128  # bytes at most that encryption puts around a message
SLACK = 16  # bytes a peer may be over: implementations count differently
_FRAME = 6  # array, two booleans, head of the array of pairs


def size_limit(stated: int | None) -> int:
    """Return the message size to keep to, given what the peer stated."""
    return stated if stated is not None and stated >= MIN_SIZE else DEFAULT_SIZE


def send_limit(stated: int | None, message_limit: int) -> int:
    """Return the size to keep to in a peer's ServiceInfo.

    Args:
        stated: What it said it takes in 66 or 67.
        message_limit: What it said it takes as a whole message, in 60 or 61: the
            tunnel around ServiceInfo counts there. Values that cannot be meant are 0
            and whatever is below the default.
    """
    limit = size_limit(stated)
    if message_limit < DEFAULT_SIZE:
        return limit
    return min(limit, message_limit - TUNNEL)


def room(limit: int, *taken: Kv) -> int:
    """Return the bytes left for pairs in a message that holds ``taken``."""
    return limit - _FRAME - sum(_pair_size(key, value) for key, value in taken)


def fits(key: str, value: bytes, free: int) -> bool:
    """Tell whether a pair goes into ``free`` bytes."""
    return _pair_size(key, value) <= free


def pack(queue: Sequence[Kv], limit: int) -> tuple[tuple[Kv, ...], tuple[Kv, ...]]:
    """Return what the next message carries, and what stays for later ones.

    A value is cut only when a message of its own cannot hold it. The message
    stays within ``limit`` bytes; a non-empty rest means IsMore.
    """
    free = room(limit)
    for count, (key, value) in enumerate(queue):
        size = _pair_size(key, value)
        if size <= free:
            free -= size
            continue
        if count:
            return tuple(queue[:count]), tuple(queue[count:])
        part = free - _pair_size(key, b"") - 2
        return ((key, value[:part]),), ((key, value[part:]), *queue[1:])
    return tuple(queue), ()


def _pair_size(key: str, value: bytes) -> int:
    name = len(key.encode())
    return 1 + _head(name) + name + _head(len(value)) + len(value)


def _head(length: int) -> int:
    """Size of a string's head: 1, 2, 3 or 5 bytes."""
    if length < 24:
        return 1
    if length < 0x100:
        return 2
    return 3 if length < 0x10000 else 5


def reassemble(
    partial: Kv | None, kvs: Sequence[Kv], *, more: bool
) -> tuple[list[Kv], Kv | None]:
    """Return the complete items of one message, and what is still cut.

    Args:
        partial: What the message before left over.
        more: Whether the peer will go on in its next message.

    Raises:
        MalformedError: An item that is cut and not continued, or too long.
    """
    stream = [partial, *kvs] if partial else list(kvs)
    items: list[Kv] = []
    rest = b""
    key = ""
    for key, pairs in groupby(stream, itemgetter(0)):
        if rest:
            raise MalformedError("a value was cut and not continued")
        joined = b"".join(value for _, value in pairs)
        values, rest = _complete(joined)
        items.extend((key, value) for value in values)
    if not rest:
        return items, None
    if not more or len(rest) > MAX_STREAM:
        raise MalformedError("a cut value is not continued, or too long")
    return items, (key, rest)


def _complete(stream: bytes) -> tuple[list[bytes], bytes]:
    """Cut a CBOR sequence into its items and an incomplete rest."""
    items: list[bytes] = []
    start = 0
    while start < len(stream):
        end = _item_end(stream, start)
        if end is None:
            break
        items.append(stream[start:end])
        start = end
    return items, stream[start:]


def _item_end(data: bytes, start: int) -> int | None:
    """Return where the item at ``start`` ends; None if it is not all there."""
    position, missing, heads = start, 1, 0
    while missing:
        heads += 1
        if heads > MAX_HEADS:
            raise MalformedError("more items in a value than any module has")
        head = _read_head(data, position)
        if head is None:
            return None
        major, argument, position = head
        missing -= 1
        if major in (2, 3):
            position += argument
        else:
            missing += (0, 0, 0, 0, argument, 2 * argument, 1, 0)[major]
        if position > len(data):
            return None
    return position


def _read_head(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Return major type, argument and the position after one item's head."""
    if position >= len(data):
        return None
    major, low = data[position] >> 5, data[position] & 0x1F
    if low < 24:
        return major, low, position + 1
    if low > 27:
        raise MalformedError("ServiceInfo value of indefinite length")
    end = position + 1 + (1 << (low - 24))
    if end > len(data):
        return None
    return major, int.from_bytes(data[position + 1 : end], "big"), end
