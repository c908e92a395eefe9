"""Patches of vectors make what they were made from."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.byte_patch import patch, patched

FEW = st.binary(max_size=80)


@given(FEW, FEW)
def test_a_patch_makes_any_bytes_of_any_others(old: bytes, new: bytes) -> None:
    assert patched(old, patch(old, new)) == new


@given(FEW)
def test_nothing_is_written_of_what_is_the_same(data: bytes) -> None:
    assert patch(data, data) == []
    assert patch(data + b"12345678", b"x" + data + b"12345678") != []
