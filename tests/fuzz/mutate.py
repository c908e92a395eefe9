"""Random changes to good inputs: the same ones for the same seed.

Where there is no coverage to be guided by, and for the short slice that every
test run takes.
"""

import random
from collections.abc import Callable, Iterator, Sequence

_ODD = (0x00, 0x01, 0x17, 0x18, 0x1B, 0x40, 0x5B, 0x80, 0x9B, 0xA1, 0xF6, 0xF7, 0xFF)
Change = Callable[[bytearray, random.Random], None]


def mutations(seeds: Sequence[bytes], number: int) -> Iterator[bytes]:
    """Yield inputs without end, each a few changes away from a seed."""
    draw = random.Random(number)  # noqa: S311 - to be repeated, not to be secret
    while True:
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.choice((1, 1, 2, 3, 8))):
            draw.choice(_CHANGES)(data, draw)
        if draw.random() < 0.2:
            data += draw.choice(seeds)[draw.randrange(64) :]
        yield bytes(data)


def _at(data: bytearray, draw: random.Random) -> int:
    return draw.randrange(len(data) + 1)


def _put(data: bytearray, draw: random.Random) -> None:
    at = _at(data, draw)
    data[at : at + 1] = bytes([draw.randrange(256)])


def _put_odd(data: bytearray, draw: random.Random) -> None:
    at = _at(data, draw)
    data[at : at + 1] = bytes([draw.choice(_ODD)])


def _count(data: bytearray, draw: random.Random) -> None:
    """Make a head say one more or one less."""
    at = _at(data, draw)
    data[at : at + 1] = bytes(
        (byte + draw.choice((1, 255))) & 0xFF for byte in data[at : at + 1]
    )


def _cut(data: bytearray, draw: random.Random) -> None:
    at = _at(data, draw)
    del data[at : at + draw.randrange(1, 9)]


def _truncate(data: bytearray, draw: random.Random) -> None:
    del data[_at(data, draw) :]


def _repeat(data: bytearray, draw: random.Random) -> None:
    at, size = _at(data, draw), draw.randrange(1, 33)
    data[at:at] = data[at : at + size] * draw.randrange(1, 4)


_CHANGES: tuple[Change, ...] = (_put, _put_odd, _count, _cut, _truncate, _repeat)
