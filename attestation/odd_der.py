"""ASN.1 that is almost DER, brought into DER's one form, with each departure noted.

TPM vendors have burnt certificates into chips that strict decoders refuse. Here such
an encoding is read, never guessed at: what has two readings is refused. Pure.
Source: ITU-T X.690, sections 8 (BER), 10 and 11 (DER).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from attestation.ek_verdict import EkNoteCode
from ownership_vouchers.errors import MalformedError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID = 0x01, 0x02, 0x03, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
_CONSTRUCTED = 0x20
_MAX_DEPTH = 24
_MAX_NODES = 4096
_TIME = re.compile(
    rb"(?P<when>[0-9]{10}|[0-9]{12}|[0-9]{14})(?:[.,][0-9]{1,9})?"
    rb"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2})(?P<minutes>[0-9]{2}))"
)

Note = Callable[[EkNoteCode], None]


@dataclass(frozen=True, slots=True)
class Value:
    """One ASN.1 value: its identifier octet, and its content or its parts.

    ``raw`` is what was read, header and all; it is no part of ``encoded``.
    """

    tag: int
    content: bytes = b""
    parts: "tuple[Value, ...]" = ()
    raw: bytes = b""

    @property
    def constructed(self) -> bool:
        return bool(self.tag & _CONSTRUCTED)

    def encoded(self) -> bytes:
        """DER: definite, shortest lengths."""
        content = self.content
        if self.constructed:
            content = b"".join(one.encoded() for one in self.parts)
        return bytes([self.tag]) + _length(len(content)) + content


def read_value(data: bytes, note: Note) -> tuple[Value, bytes]:
    """Read one value in BER; return it in DER's form, and the bytes after it.

    Args:
        note: Told of each departure from DER, as often as it is met.

    Raises:
        MalformedError: It ends early, is too deep or too big, or uses what no
            certificate does: long tags, strings in pieces.
    """
    value, at = _Reader(data, note).value(0, len(data), 0)
    return value, data[at:]


class _Reader:
    def __init__(self, data: bytes, note: Note) -> None:
        self._data = data
        self._note = note
        self._nodes = 0

    def value(self, at: int, end: int, depth: int) -> tuple[Value, int]:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise MalformedError("ASN.1 that is too deep or has too many values")
        if at >= end:
            raise MalformedError("ASN.1 that ends early")
        tag = self._data[at]
        if tag & 0x1F == 0x1F:
            raise MalformedError("an ASN.1 tag of more than one byte")
        size, start = self._size(at + 1, end)
        if size is None:
            if not tag & _CONSTRUCTED:
                raise MalformedError("an ASN.1 string without a length")
            self._note(EkNoteCode.INDEFINITE_LENGTH)
            parts, stop = self._until_end(start, end, depth)
        else:
            stop = start + size
            if stop > end:
                raise MalformedError("ASN.1 that ends early")
            parts = self._parts(start, stop, depth) if tag & _CONSTRUCTED else ()
        content = b"" if tag & _CONSTRUCTED else self._data[start:stop]
        found = Value(tag, content, parts, self._data[at:stop])
        return in_der(found, self._note), stop

    def _size(self, at: int, end: int) -> tuple[int | None, int]:
        """The length (None: indefinite), and where the content begins."""
        if at >= end:
            raise MalformedError("ASN.1 that ends early")
        first = self._data[at]
        at += 1
        if first < 0x80:
            return first, at
        if first == 0x80:
            return None, at
        octets = self._data[at : at + (first & 0x7F)]
        if len(octets) != first & 0x7F or at + len(octets) > end or len(octets) > 8:
            raise MalformedError("an ASN.1 length that cannot be read")
        size = int.from_bytes(octets, "big")
        if _length(size) != bytes([first]) + octets:
            self._note(EkNoteCode.LONG_LENGTH)
        return size, at + len(octets)

    def _parts(self, at: int, end: int, depth: int) -> tuple[Value, ...]:
        found = []
        while at < end:
            one, at = self.value(at, end, depth + 1)
            found.append(one)
        return tuple(found)

    def _until_end(
        self, at: int, end: int, depth: int
    ) -> tuple[tuple[Value, ...], int]:
        """The parts up to the two zero bytes that end an indefinite length."""
        found = []
        while self._data[at : min(at + 2, end)] != b"\0\0":
            one, at = self.value(at, end, depth + 1)
            found.append(one)
        return tuple(found), at + 2


def in_der(value: Value, note: Note) -> Value:
    """Return a value of which the parts are in DER's form in that form as a whole.

    Raises:
        MalformedError: It has none, or more than one.
    """
    match value.tag:
        case 0x01:
            return _boolean(value, note)
        case 0x02:
            return _integer(value, note)
        case 0x03:
            return _bits(value, note)
        case 0x17 | 0x18:
            return _time(value, note)
        case 0x31:
            return _set(value, note)
        case tag if tag & _CONSTRUCTED and tag < 0x40 and tag not in (0x30, 0x31):
            raise MalformedError("an ASN.1 string in pieces")
        case _:
            return value


def _boolean(value: Value, note: Note) -> Value:
    if len(value.content) != 1:
        raise MalformedError("an ASN.1 truth value that is none")
    if value.content in (b"\0", b"\xff"):
        return value
    note(EkNoteCode.BOOLEAN)
    return replace(value, content=b"\xff")


def _integer(value: Value, note: Note) -> Value:
    if not value.content:
        raise MalformedError("an ASN.1 number without digits")
    number = int.from_bytes(value.content, "big", signed=True)
    shortest = integer(number).content
    if shortest != value.content:
        note(EkNoteCode.LONG_INTEGER)
    return replace(value, content=shortest)


def integer(number: int) -> Value:
    """A number in DER's form."""
    size = (number + (number < 0)).bit_length() // 8 + 1
    return Value(INTEGER, number.to_bytes(size, "big", signed=True))


def _bits(value: Value, note: Note) -> Value:
    content = value.content
    if not content or content[0] > 7 or (content[0] and len(content) == 1):
        raise MalformedError("an ASN.1 bit string that cannot be read")
    unused = (1 << content[0]) - 1
    if content[0] and content[-1] & unused:
        note(EkNoteCode.UNUSED_BITS)
        content = content[:-1] + bytes([content[-1] & ~unused & 0xFF])
    return replace(value, content=content)


def _set(value: Value, note: Note) -> Value:
    ordered = tuple(sorted(value.parts, key=Value.encoded))
    if ordered != value.parts:
        note(EkNoteCode.SET_ORDER)
    return replace(value, parts=ordered)


def _time(value: Value, note: Note) -> Value:
    """Seconds, UTC, and the kind of time that RFC 5280 wants for that year."""
    found = _TIME.fullmatch(value.content)
    if found is None:
        raise MalformedError("an ASN.1 time that cannot be read")
    at = _moment(found["when"], value.tag)
    if found["sign"]:
        away = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
        try:
            zone = timezone(away if found["sign"] == b"+" else -away)
            at = at.replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise MalformedError("an ASN.1 time that cannot be read") from error
    short = 1950 <= at.year < 2050
    text = f"{at.year:04}{at:%m%d%H%M%S}Z"[2 if short else 0 :].encode()
    fixed = Value(UTC_TIME if short else GENERALIZED_TIME, text, raw=value.raw)
    if (fixed.tag, fixed.content) != (value.tag, value.content):
        note(EkNoteCode.TIME)
    return fixed


def _moment(digits: bytes, tag: int) -> datetime:
    text = digits.decode("ascii")
    if tag == UTC_TIME:
        if len(text) == 14:
            raise MalformedError("an ASN.1 time that cannot be read")
        text = ("19" if text[:2] >= "50" else "20") + text
    try:
        return datetime.strptime(text.ljust(14, "0"), "%Y%m%d%H%M%S").replace(
            tzinfo=UTC
        )
    except ValueError as error:
        raise MalformedError("an ASN.1 time that cannot be read") from error


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets
