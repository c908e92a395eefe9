"""Receipts of runs, and files that devices gave: on both databases."""

import pytest

from onboarding.store.database import Database
from onboarding.store.deliveries import KEPT_FAILURES, DeliveryRecord, DeliveryStore
from onboarding.store.errors import InvalidCursor, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, GUID, NOW, OTHER_GUID, voucher


@pytest.fixture
def vouchers(database: Database) -> VoucherStore:
    store = VoucherStore(database)
    store.add(voucher(), ACTOR)
    return store


def fail(store: DeliveryStore, run: bytes, at: int, content: bytes = b"") -> None:
    record = DeliveryRecord(run, GUID, at, False, b"failed")
    event = Event("ownership.refused", "test", at, GUID, None, {})
    store.failed(record, {2: content} if content else {}, (event,))


def test_a_device_that_was_never_onboarded_has_no_deliveries(
    database: Database, vouchers: VoucherStore
) -> None:
    store = DeliveryStore(database)
    assert store.of_device(GUID).items == ()
    with pytest.raises(NotFound):
        store.of_device(OTHER_GUID)


def test_good_and_failed_runs_are_told_newest_first_under_any_guid(
    database: Database, vouchers: VoucherStore
) -> None:
    store = DeliveryStore(database)
    fail(store, b"1", NOW)
    vouchers.take_ownership(GUID, None, b"", b"first", NOW + 1, run_id=b"2")
    fail(store, b"3", NOW + 2)
    new = voucher(OTHER_GUID, ("owner",), "new")
    vouchers.take_ownership(
        GUID, new, b"", b"second", NOW + 3, run_id=b"4", uploads={0: b"file"}
    )
    for guid in (GUID, OTHER_GUID):
        found = store.of_device(guid).items
        assert [(one.run, one.completed) for one in found] == [
            (b"4", True),
            (b"3", False),
            (b"2", True),
            (b"1", False),
        ]
        assert [one.receipts for one in found][::2] == [b"second", b"first"]
        assert store.content(guid, b"4", 0) == b"file"
    assert found[0].guid == OTHER_GUID


def test_runs_are_given_page_by_page_also_those_of_one_second(
    database: Database, vouchers: VoucherStore
) -> None:
    store = DeliveryStore(database)
    for run in (b"1", b"2", b"3", b"5"):
        fail(store, run, NOW)
    vouchers.take_ownership(GUID, None, b"", b"good", NOW, run_id=b"4")
    told: list[bytes] = []
    page = store.of_device(GUID, None, 2)
    while True:
        told += [one.run for one in page.items]
        if page.cursor is None:
            break
        assert len(page.items) == 2
        page = store.of_device(GUID, page.cursor, 2)
    assert told == [b"4", b"5", b"3", b"2", b"1"]
    for wrong in ("", "1", "1:", "x:00", "1:0x"):
        with pytest.raises(InvalidCursor):
            store.of_device(GUID, wrong, 2)


def test_a_file_is_found_by_its_run_and_place_and_device(
    database: Database, vouchers: VoucherStore
) -> None:
    store = DeliveryStore(database)
    fail(store, b"1", NOW, b"content")
    assert store.content(GUID, b"1", 2) == b"content"
    for guid, run, position in (
        (OTHER_GUID, b"1", 2),
        (GUID, b"2", 2),
        (GUID, b"1", 0),
    ):
        with pytest.raises(NotFound):
            store.content(guid, run, position)


def test_a_device_that_fails_again_and_again_fills_no_database(
    database: Database, vouchers: VoucherStore
) -> None:
    store = DeliveryStore(database)
    vouchers.take_ownership(
        GUID, None, b"", b"good", NOW, run_id=b"good", uploads={0: b"kept"}
    )
    for number in range(KEPT_FAILURES + 5):
        fail(store, b"%03d" % number, NOW + number, b"content")
    kept = [one.run for one in store.of_device(GUID).items if not one.completed]
    assert kept == [b"%03d" % number for number in range(24, 4, -1)]
    assert store.content(GUID, b"024", 2) == b"content"
    assert store.content(GUID, b"good", 0) == b"kept"
    with pytest.raises(NotFound):
        store.content(GUID, b"004", 2)
    causes = [one.cause for one in EventLog(database).page(limit=200).items]
    assert causes.count("ownership.refused") == KEPT_FAILURES + 5


def test_what_is_old_is_forgotten_but_the_last_good_run(
    database: Database, vouchers: VoucherStore
) -> None:
    store = DeliveryStore(database)
    fail(store, b"1", NOW, b"old")
    vouchers.take_ownership(
        GUID, None, b"", b"good", NOW, run_id=b"2", uploads={0: b"kept"}
    )
    fail(store, b"3", NOW + 10)
    assert store.prune(NOW + 5) == 1
    assert [one.run for one in store.of_device(GUID).items] == [b"3", b"2"]
    assert store.content(GUID, b"2", 0) == b"kept"
    with pytest.raises(NotFound):
        store.content(GUID, b"1", 2)
