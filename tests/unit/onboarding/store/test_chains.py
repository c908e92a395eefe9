"""How vouchers stand to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.store.chains import Relation, join, relation, split
from onboarding.store.errors import InvalidRecord

A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
digests = st.lists(st.binary(min_size=32, max_size=32), max_size=6).map(tuple)

CASES: dict[str, tuple[tuple[bytes, ...], Relation]] = {
    "the same": ((A, B), Relation.SAME),
    "one more": ((A, B, C), Relation.EXTENDS),
    "one less": ((A,), Relation.OLDER),
    "none": ((), Relation.OLDER),
    "a fork at the end": ((A, C), Relation.FOREIGN),
    "a longer fork": ((A, C, B), Relation.FOREIGN),
    "another order": ((B, A), Relation.FOREIGN),
}


@pytest.mark.parametrize(("offered", "expected"), CASES.values(), ids=CASES.keys())
def test_chains_are_compared_entry_by_entry(
    offered: tuple[bytes, ...], expected: Relation
) -> None:
    assert relation(A, join((A, B)), A, join(offered)) is expected


@pytest.mark.parametrize("offered", [(A, B), (A, B, C), (A,)])
def test_another_header_is_always_foreign(offered: tuple[bytes, ...]) -> None:
    assert relation(A, join((A, B)), B, join(offered)) is Relation.FOREIGN


@given(digests, digests)
def test_extends_is_the_mirror_of_older(
    one: tuple[bytes, ...], more: tuple[bytes, ...]
) -> None:
    ahead = relation(A, join(one), A, join(one + more))
    behind = relation(A, join(one + more), A, join(one))
    assert (ahead is Relation.EXTENDS) == (behind is Relation.OLDER) == bool(more)


@given(digests)
def test_join_and_split_are_inverse(entries: tuple[bytes, ...]) -> None:
    assert split(join(entries)) == entries


@pytest.mark.parametrize("bad", [(b"short",), (A + b"x",), (A,) * 256])
def test_digests_of_a_wrong_size_or_number_are_refused(bad: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidRecord):
        join(bad)
