"""Pages of a list that stands in an order of its own."""

import pytest

from onboarding.services.api.paging import after
from onboarding.store.errors import Conflict

ROWS = ("c", "a", "d", "b")


def test_pages_follow_the_order_of_the_rows_and_end_with_the_last() -> None:
    told: list[str] = []
    cursor, sizes = None, []
    while True:
        page = after(ROWS, str, cursor, 2)
        told += page.items
        sizes.append(len(page.items))
        cursor = page.cursor
        if cursor is None:
            break
    assert (tuple(told), sizes) == (ROWS, [2, 2])
    assert after(ROWS, str, "a", 9).items == ("d", "b")
    assert after((), str, None, 2).items == ()


def test_a_row_that_is_gone_names_no_page() -> None:
    with pytest.raises(Conflict):
        after(ROWS, str, "e", 2)
