"""Pages of a long list, by cursor: stable while rows come and go."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from onboarding.store.errors import InvalidCursor

T = TypeVar("T")

MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and where the next page begins; None when this is the last."""

    items: tuple[T, ...]
    cursor: str | None


def clamp(limit: int) -> int:
    """Between 1 and ``MAX_LIMIT`` items, whatever was asked for."""
    return max(1, min(limit, MAX_LIMIT))


def bytes_cursor(cursor: str) -> bytes:
    """Read a cursor that names a row by its bytes.

    Raises:
        InvalidCursor: It is not hex of at most 64 bytes.
    """
    try:
        if len(cursor) > 128:
            raise InvalidCursor("the cursor is too long")
        return bytes.fromhex(cursor)
    except ValueError as error:
        raise InvalidCursor("the cursor is not one we gave out") from error


def time_cursor(cursor: str) -> tuple[int, str]:
    """Read a cursor that names a row by its time and id (``at:id``).

    Raises:
        InvalidCursor: It is not of that form.
    """
    at, colon, name = cursor.partition(":")
    if not colon or not name or len(cursor) > 128 or not _is_count(at):
        raise InvalidCursor("the cursor is not one we gave out")
    return int(at), name


def number_cursor(cursor: str) -> int:
    """Read a cursor that is a row's number.

    Raises:
        InvalidCursor: It is not a whole number that a column could hold.
    """
    if not _is_count(cursor):
        raise InvalidCursor("the cursor is not one we gave out")
    return int(cursor)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
