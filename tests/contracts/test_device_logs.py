"""Devices' logs, on both databases: added to, not rewritten, forgotten in time."""

import hashlib
from dataclasses import replace
from functools import partial

import pytest

from onboarding.store import bindings
from onboarding.store.boot_logs import BootLogStore
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.ima_lists import MAX_PART, ImaListStore, ListHead
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, GUID, NOW, race, voucher

PARTS = Sql("SELECT generation, first, size FROM ima_parts ORDER BY generation, first")
EMPTY = ListHead(GUID, 0, "sha256", 0, 0, bytes(32), bytes(32), "", 0, 0, NOW)


@pytest.fixture
def lists(database: Database) -> ImaListStore:
    VoucherStore(database).add(voucher(), ACTOR)
    return ImaListStore(database)


def grown(
    head: ListHead, entries: int, data: bytes, *, covered: bool = True
) -> ListHead:
    total = head.entries + entries
    return replace(
        head,
        entries=total,
        size=head.size + len(data),
        value=hashlib.sha256(head.value + data).digest(),
        covered=total if covered else head.covered,
    )


def begun(lists: ImaListStore, data: bytes = b"one\ntwo\n") -> ListHead:
    head = grown(EMPTY, 2, data)
    lists.put(None, head, data)
    return head


def test_a_list_is_what_was_put_into_it_part_by_part(lists: ImaListStore) -> None:
    with pytest.raises(NotFound):
        lists.get(GUID)
    head, whole = begun(lists), b"one\ntwo\n"
    for data in (b"three\n", b"x" * 70_000 + b"\n", b"five\n", b""):
        after = grown(head, data.count(b"\n"), data)
        lists.put(head, after, data)
        head, whole = after, whole + data
        assert lists.get(GUID) == head
        assert lists.lines(head) == whole


def test_only_the_last_small_part_is_ever_written_anew(
    database: Database, lists: ImaListStore
) -> None:
    head = begun(lists)
    for size in (60_000, 60_000, 10, 10, 200_000, 10):
        data = b"x" * (size - 1) + b"\n"
        after = grown(head, 1, data)
        lists.put(head, after, data)
        head = after
    kept = [tuple(row) for row in database.direct.rows(PARTS)]
    assert kept == [(0, 0, 60_008), (0, 3, 60_020), (0, 6, 200_000), (0, 7, 10)]


def test_much_at_once_is_kept_in_parts_of_whole_lines(
    database: Database, lists: ImaListStore
) -> None:
    line, long = b"x" * 99_999 + b"\n", b"y" * MAX_PART + b"\n"
    data = line * 11 + long + b"z\n"
    head = grown(EMPTY, 13, data)
    lists.put(None, head, data)
    assert lists.lines(head) == data
    kept = [tuple(row) for row in database.direct.rows(PARTS)]
    assert kept == [
        (0, 0, 1_000_000),
        (0, 10, 100_000),
        (0, 11, MAX_PART + 1),
        (0, 12, 2),
    ]
    after = grown(head, 1, b"more\n")
    lists.put(head, after, b"more\n")
    assert lists.lines(after) == data + b"more\n"


def test_a_list_that_changed_meanwhile_is_not_gone_on_with(lists: ImaListStore) -> None:
    head = begun(lists)
    other = replace(head, value=bytes(32))
    for stale, now in ((None, EMPTY), (other, other)):
        with pytest.raises(Conflict):
            lists.put(stale, grown(now, 1, b"x\n"), b"x\n")

    def add(number: int) -> bool:
        data = b"%d\n" % number
        try:
            lists.put(head, grown(head, 1, data), data)
        except Conflict:
            return False
        return True

    results = race(*(partial(add, n) for n in range(4)))
    assert (results.count(True), results.count(False)) == (1, 3)
    assert lists.get(GUID).entries == 3


def test_a_new_list_stands_beside_the_last_true_one_until_it_is_true(
    database: Database, lists: ImaListStore
) -> None:
    true = begun(lists)
    first = grown(replace(EMPTY, generation=1), 1, b"a\n", covered=False)
    lists.put(true, first, b"a\n")
    assert (lists.lines(first), lists.older(first)) == (b"a\n", b"one\ntwo\n")
    second = grown(replace(EMPTY, generation=2), 1, b"b\n", covered=False)
    lists.put(first, second, b"b\n")
    assert (lists.lines(second), lists.older(second)) == (b"b\n", b"one\ntwo\n")
    assert [row[0] for row in database.direct.rows(PARTS)] == [0, 2]
    empty = replace(EMPTY, generation=3)
    lists.put(second, empty, b"")
    assert (lists.lines(empty), lists.older(empty)) == (b"", b"one\ntwo\n")
    covered = grown(empty, 1, b"c\n")
    lists.put(empty, covered, b"c\n")
    assert (lists.lines(covered), lists.older(covered)) == (b"c\n", b"")


@pytest.mark.parametrize(
    ("head", "data"),
    [
        (replace(EMPTY, size=5), b"four"),
        (replace(EMPTY, covered=1), b""),
    ],
    ids=["another size", "more covered than there is"],
)
def test_what_is_put_adds_up(lists: ImaListStore, head: ListHead, data: bytes) -> None:
    with pytest.raises(InvalidRecord):
        lists.put(None, head, data)


def test_logs_go_with_the_binding_and_with_time(
    database: Database, lists: ImaListStore
) -> None:
    logs = BootLogStore(database)

    def another_binding() -> None:
        with database.direct.transaction() as connection:
            bindings.drop(connection, GUID)

    def time() -> None:
        assert (lists.prune(NOW + 1), logs.prune(NOW + 1)) == (1, 1)

    for forget in (another_binding, time):
        begun(lists)
        logs.put(GUID, b"log", NOW)
        assert (lists.prune(NOW), logs.prune(NOW)) == (0, 0)
        forget()
        assert logs.digest(GUID) == b""
        with pytest.raises(NotFound):
            lists.get(GUID)
        assert list(database.direct.rows(PARTS)) == []


def test_the_newest_boot_log_is_kept_by_its_digest(
    database: Database, lists: ImaListStore
) -> None:
    logs = BootLogStore(database)
    for log in (b"first boot", b"second" * 100_000):
        logs.put(GUID, log, NOW)
        digest = hashlib.sha256(log).digest()
        assert logs.digest(GUID) == digest
        assert logs.get(GUID, digest) == log
    with pytest.raises(NotFound):
        logs.get(GUID, hashlib.sha256(b"first boot").digest())
    for size in (0, 2 * 1024 * 1024 + 1):
        with pytest.raises(InvalidRecord):
            logs.put(GUID, bytes(size), NOW)
