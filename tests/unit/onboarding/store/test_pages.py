"""Cursors are read strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.store.errors import InvalidCursor
from onboarding.store.pages import bytes_cursor, clamp, number_cursor, time_cursor


@given(st.integers(min_value=0, max_value=10**17), st.text(min_size=1, max_size=60))
def test_a_time_cursor_is_read_as_it_was_written(at: int, name: str) -> None:
    assert time_cursor(f"{at}:{name}") == (at, name)


@pytest.mark.parametrize(
    "cursor", ["", "1", ":x", "1:", "x:1", "-1:x", "1" * 19 + ":x", "1:" + "x" * 128]
)
def test_any_other_time_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        time_cursor(cursor)


@given(st.text())
def test_no_text_escapes_the_error_hierarchy(text: str) -> None:
    for read in (time_cursor, number_cursor, bytes_cursor):
        try:
            read(text)
        except InvalidCursor:
            continue


@pytest.mark.parametrize(("asked", "given_"), [(-5, 1), (0, 1), (7, 7), (10**9, 500)])
def test_a_page_has_1_to_500_items(asked: int, given_: int) -> None:
    assert clamp(asked) == given_
