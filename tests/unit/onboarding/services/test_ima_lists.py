"""Lists that are kept: who may go on with one, and what is handed on of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hw.quote import QuoteFacts
from onboarding.services.errors import Problem
from onboarding.services.ima_lists import AGAIN, ImaLists, SentLines
from onboarding.store.ima_lists import MAX_PART
from tests.support.databases import NewDatabase
from tests.support.ima_lists import ENTRIES, Measured, extended
from tests.support.owner_bench import OwnerBench, owner_bench

BANK = "sha256"
NAMED = tuple(one for one in ENTRIES if one.name.isascii())  # Keylime takes no other


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases=databases) as bench:
        yield bench


@pytest.fixture
def lists(bench: OwnerBench) -> ImaLists:
    return ImaLists(bench.context)


def lines(entries: Sequence[Measured]) -> bytes:
    return b"".join(one.line() for one in entries)


def quoting(entries: Sequence[Measured], resets: int = 1) -> QuoteFacts:
    """What a genuine quote says after these were measured."""
    pcrs = {10: extended(entries, BANK).hex()}
    return QuoteFacts(pcrs, BANK, 1000, resets, 0, True, 1)


def test_what_came_after_the_quote_is_not_handed_on(
    bench: OwnerBench, lists: ImaLists
) -> None:
    guid = bench.guid.raw
    ran = lists.judge(guid, BANK, SentLines(lines=lines(NAMED)), quoting(NAMED[:2]))
    assert (ran.failures, ran.entries) == ((), 2)
    assert lists.covered(guid, 2) == lines(NAMED[:2]).decode()
    held = lists.held(guid, BANK)
    assert held["pcr"] == extended(NAMED[:2], BANK)
    lists.append(guid, BANK, SentLines(2, extended(NAMED[:2], BANK), lines(NAMED[2:4])))
    assert lists.covered(guid, 2) == lines(NAMED[:2]).decode()
    with pytest.raises(Problem, match="begun anew"):
        lists.covered(guid, 5)


@pytest.mark.parametrize(
    "sent",
    [
        SentLines(1, extended(NAMED[:2], BANK), lines(NAMED[2:3])),
        SentLines(3, extended(NAMED[:2], BANK), lines(NAMED[2:3])),
        SentLines(2, extended(NAMED[:1], BANK), lines(NAMED[2:3])),
    ],
    ids=["an earlier entry", "a later one", "another list"],
)
def test_lines_that_do_not_follow_are_not_taken(
    bench: OwnerBench, lists: ImaLists, sent: SentLines
) -> None:
    guid = bench.guid.raw
    lists.judge(guid, BANK, SentLines(lines=lines(NAMED[:2])), quoting(NAMED[:2]))
    before = lists.held(guid, BANK)
    with pytest.raises(Problem) as refused:
        lists.append(guid, BANK, sent)
    assert refused.value.code == "ima-list-again"
    with pytest.raises(Problem):
        lists.judge(guid, BANK, sent, quoting(NAMED[:3]))
    assert lists.held(guid, BANK) == before


def test_a_policy_over_another_bank_begins_the_list_anew(
    bench: OwnerBench, lists: ImaLists
) -> None:
    guid = bench.guid.raw
    lists.judge(guid, BANK, SentLines(lines=lines(NAMED[:2])), quoting(NAMED[:2]))
    assert lists.held(guid, "sha384") == {"entries": 0, "bytes": 0, "pcr": bytes(48)}


def test_lines_that_are_none_are_refused_ahead_of_a_quote(
    bench: OwnerBench, lists: ImaLists
) -> None:
    for data in (b"", b"nonsense\n", b"10 "):
        with pytest.raises(Problem) as refused:
            lists.append(bench.guid.raw, BANK, SentLines(lines=data))
        assert refused.value.code == "ima-lines-refused"


@pytest.mark.parametrize(("resets", "named"), [(1, True), (2, False)])
def test_a_list_that_came_whole_and_is_not_true_is_compared_within_one_boot(
    bench: OwnerBench, lists: ImaLists, resets: int, named: bool
) -> None:
    guid = bench.guid.raw
    lists.judge(guid, BANK, SentLines(lines=lines(NAMED[:3])), quoting(NAMED[:3]))
    other = (NAMED[0], NAMED[2])
    lists.append(guid, BANK, SentLines(lines=lines(other)))
    sent = SentLines(2, extended(other, BANK))
    ran = lists.judge(guid, BANK, sent, quoting(NAMED[:4], resets))
    assert ran.failures[0].type == "ima.not-replayed"
    assert ("entry 1 was" in ran.failures[0].message) is named
    assert lists.held(guid, BANK)["entries"] == 0


def test_a_list_that_a_verifier_keeps_track_of_is_followed_here(
    bench: OwnerBench, lists: ImaLists
) -> None:
    guid = bench.guid.raw
    whole = SentLines(lines=lines(NAMED[:2]))
    ran = lists.followed(guid, BANK, whole, quoting(NAMED[:2]))
    assert ran is not None
    assert (ran.failures, ran.entries) == ((), 2)
    last = SentLines(2, lines=lines(NAMED[2:3]))
    for _ in range(2):  # the same once more is read no more
        ran = lists.followed(guid, BANK, last, quoting(NAMED[:3]))
        assert ran is not None
        assert (ran.failures, ran.entries) == ((), 3)
    assert lists.covered(guid, 3) == lines(NAMED[:3]).decode()
    ran = lists.followed(guid, BANK, SentLines(3), quoting(NAMED[:3]))
    assert ran is not None
    assert ran.entries == 3


def test_where_lines_were_missed_it_is_followed_no_more(
    bench: OwnerBench, lists: ImaLists
) -> None:
    guid = bench.guid.raw
    nowhere = SentLines(1, lines=lines(NAMED[1:2]))
    assert lists.followed(guid, BANK, nowhere, quoting(NAMED[:2])) is None
    lists.followed(guid, BANK, SentLines(lines=lines(NAMED[:2])), quoting(NAMED[:2]))
    later = SentLines(3, lines=lines(NAMED[3:4]))
    assert lists.followed(guid, BANK, later, quoting(NAMED[:4])) is None
    assert lists.held(guid, BANK)["entries"] == 0


def test_one_that_leads_elsewhere_is_to_come_whole_and_then_is_not_true(
    bench: OwnerBench, lists: ImaLists
) -> None:
    guid, quoted = bench.guid.raw, quoting(NAMED[:3])
    lists.followed(guid, BANK, SentLines(lines=lines(NAMED[:2])), quoting(NAMED[:2]))
    without = SentLines(2, lines=lines(NAMED[3:4]))
    with pytest.raises(Problem) as refused:
        lists.followed(guid, BANK, without, quoted)
    assert refused.value.code == AGAIN
    assert lists.followed(guid, BANK, without, quoted) is None
    whole = SentLines(lines=lines((*NAMED[:2], NAMED[3])))
    ran = lists.followed(guid, BANK, whole, quoted)
    assert ran is not None
    assert [one.type for one in ran.failures] == ["ima.not-replayed"]


@pytest.fixture(scope="module")
def many() -> tuple[Measured, ...]:
    """More than is added to what is kept at once."""
    return tuple(Measured(b"/opt/%d/" % n + b"x" * 4000) for n in range(400))


def test_many_lines_that_come_at_once_are_kept_piece_by_piece(
    bench: OwnerBench, lists: ImaLists, many: tuple[Measured, ...]
) -> None:
    guid, whole = bench.guid.raw, lines(many)
    assert len(whole) > MAX_PART
    ran = lists.followed(guid, BANK, SentLines(lines=whole), quoting(many))
    assert ran is not None
    assert (ran.failures, ran.entries) == ((), len(many))
    assert lists.covered(guid, len(many)) == whole.decode()
    more = tuple(replace(one, digest=b"\1" * 32) for one in many)
    sent = SentLines(len(many), lines=lines(more))
    ran = lists.followed(guid, BANK, sent, quoting((*many, *more)))
    assert ran is not None
    assert (ran.failures, ran.entries) == ((), 2 * len(many))


@pytest.mark.parametrize("spoilt", ["a line that is none", "another file"])
def test_many_lines_that_are_not_true_are_refused(
    bench: OwnerBench, lists: ImaLists, many: tuple[Measured, ...], spoilt: str
) -> None:
    guid, said = bench.guid.raw, lines((replace(many[0], digest=b"\1" * 32), *many[1:]))
    if spoilt == "a line that is none":
        said = b"nonsense\n" + said
    ran = lists.judge(guid, BANK, SentLines(lines=said), quoting(many))
    assert [one.type for one in ran.failures] == ["ima.not-replayed"]
