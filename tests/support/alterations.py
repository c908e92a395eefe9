"""Changes to messages, each one thing, for tables of what must be refused."""

from collections.abc import Callable, Mapping
from typing import Any

from cbor2 import CBORTag

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer
from ownership_vouchers.cose import Sign1, sign1

Alteration = Callable[[bytes], bytes]


def put(value: object, *path: int) -> Alteration:
    """Replace what stands at ``path`` in nested arrays, maps and tags."""
    return change(lambda _old: value, *path)


def change(new: Callable[[Any], object], *path: int) -> Alteration:
    """Replace what stands at ``path`` by what ``new`` makes of it."""
    return lambda data: cbor.encode(_changed(cbor.decode(data), path, new))


def _changed(item: Any, path: tuple[int, ...], new: Callable[[Any], object]) -> Any:
    if isinstance(item, CBORTag):
        return CBORTag(item.tag, _changed(item.value, path, new))
    if not path:
        return new(item)
    copy = dict(item) if isinstance(item, Mapping) else list(item)
    copy[path[0]] = _changed(copy[path[0]], path[1:], new)
    return copy


def drop(data: bytes) -> bytes:
    """Leave out the last item of the array."""
    item: Any = cbor.decode(data)
    if isinstance(item, CBORTag):
        return cbor.encode(CBORTag(item.tag, list(item.value)[:-1]))
    return cbor.encode(item[:-1])


def append(data: bytes) -> bytes:
    """Add one item to the array."""
    item: Any = cbor.decode(data)
    if isinstance(item, CBORTag):
        return cbor.encode(CBORTag(item.tag, [*item.value, 0]))
    return cbor.encode([*item, 0])


def flip(data: bytes) -> bytes:
    """Change one bit of the last byte."""
    return data[:-1] + bytes([data[-1] ^ 1])


def flipped(*path: int) -> Alteration:
    """Change one bit of the byte string at ``path``."""
    return change(flip, *path)


def overwritten(head: bytes = b"\xd2\x84\x7a") -> Alteration:
    """Write ``head`` over the beginning and zeros over the rest; the length stays.

    So the FIDO Alliance's conformance tools spoil messages, hashes and signatures.
    """
    return lambda data: (head + bytes(len(data)))[: len(data)]


def resigned(
    signer: Signer,
    payload: Alteration = lambda data: data,
    **unprotected: object,
) -> Alteration:
    """Change a COSE_Sign1's payload and sign it again, rightly.

    ``unprotected`` entries are named ``h256`` or ``m259`` for labels 256 and -259;
    None leaves the label out.
    """

    def alter(data: bytes) -> bytes:
        old = Sign1.from_cbor(data)
        headers = {**old.unprotected}
        for name, value in unprotected.items():
            label = int(name[1:]) * (-1 if name[0] == "m" else 1)
            headers.pop(label, None)
            if value is not None:
                headers[label] = value
        return sign1(signer, payload(old.payload), headers).encode()

    return alter


NO_CBOR: Mapping[str, Alteration] = {
    "empty": lambda _data: b"",
    "cut short": lambda data: data[:-1],
    "a byte too many": lambda data: data + b"\0",
    "an item too few": drop,
    "an item too many": append,
    "not an array": lambda _data: cbor.encode("text"),
    "an array of indefinite length": lambda _data: b"\x9f\xff",
}
"""What cannot be a message of any type: error 100 for all of them."""

# Heads of every major type, of no item that could be there, and of none at all.
HEADS = tuple(
    bytes.fromhex(one)
    for one in ("00", "1b01", "3a", "58ff", "7a", "9b", "bbff", "d284", "f9", "ff")
)
