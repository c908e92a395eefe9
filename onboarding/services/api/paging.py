"""Pages of a list that its store gives whole: the shape that all lists have."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from onboarding.store.errors import Conflict
from onboarding.store.pages import Page

T = TypeVar("T")

EVERY = 2**31  # rows, for who wants no pages


def paged(
    rows: Iterable[T], mark: Callable[[T], str], cursor: str | None, limit: int
) -> Page[T]:
    """Return the ``limit`` rows whose marks come after ``cursor``, in their order.

    Args:
        mark: What a row is sorted by; no two rows have the same, and it never changes.
    """
    marked = sorted(((mark(row), row) for row in rows), key=lambda one: one[0])
    rest = [one for one in marked if cursor is None or one[0] > cursor]
    last = rest[limit - 1][0] if len(rest) > limit else None
    return Page(tuple(row for _, row in rest[:limit]), last)


def after(
    rows: Sequence[T], name: Callable[[T], str], cursor: str | None, limit: int
) -> Page[T]:
    """Return the ``limit`` rows behind the one that ``cursor`` names, as they stand.

    For an order that no mark gives, such as one in which rules are tried.

    Args:
        name: What tells a row from all others.

    Raises:
        Conflict: The row that the page before ended with is gone.
    """
    names = [name(one) for one in rows]
    if cursor is not None and cursor not in names:
        raise Conflict("the list was changed meanwhile; begin again without a cursor")
    begin = 0 if cursor is None else names.index(cursor) + 1
    end = begin + limit
    last = names[end - 1] if end < len(rows) else None
    return Page(tuple(rows[begin:end]), last)


def made_at(at: int, name: str) -> str:
    """A mark that sorts rows by when they were made; ``name`` is hex."""
    return f"{at:012d}:{name}"
