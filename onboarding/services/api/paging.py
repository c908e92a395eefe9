"""Pages of a list that its store gives whole: the shape that all lists have."""

from collections.abc import Callable, Iterable
from typing import TypeVar

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


def made_at(at: int, name: str) -> str:
    """A mark that sorts rows by when they were made; ``name`` is hex."""
    return f"{at:012d}:{name}"
