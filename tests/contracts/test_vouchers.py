"""Vouchers and ownership: the contract, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from onboarding.store.arrivals import Added
from onboarding.store.bindings import BindingStore
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import (
    DuplicateVoucher,
    InvalidCursor,
    InvalidRecord,
    NotFound,
    OlderVoucher,
    StoreError,
)
from onboarding.store.event_log import EventLog
from onboarding.store.state import DeviceState
from onboarding.store.tasks import TaskStore
from onboarding.store.voucher_rows import VoucherRecord
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    digest,
    enrolled_device,
    race,
    voucher,
)


@pytest.fixture
def vouchers(database: Database) -> VoucherStore:
    return VoucherStore(database)


def test_a_voucher_comes_back_byte_for_byte(vouchers: VoucherStore) -> None:
    record = voucher(passport=b"passport")
    assert vouchers.add(record, ACTOR) is Added.STORED
    assert vouchers.get(GUID) == record


def test_an_unknown_guid_is_not_found(vouchers: VoucherStore) -> None:
    with pytest.raises(NotFound, match=GUID.hex()):
        vouchers.get(GUID)


def test_the_same_voucher_again_changes_nothing(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(), ACTOR)
    assert vouchers.add(voucher(), ACTOR) is Added.UNCHANGED
    assert len(EventLog(database).timeline(GUID)) == 1


def test_a_longer_chain_of_the_same_voucher_replaces_it(
    vouchers: VoucherStore,
) -> None:
    vouchers.add(voucher(owners=("dealer",), passport=b"kept"), ACTOR)
    longer = voucher(owners=("dealer", "owner"))
    assert vouchers.add(longer, ACTOR) is Added.EXTENDED
    assert vouchers.get(GUID) == replace(longer, passport=b"kept")


REFUSED: dict[str, VoucherRecord] = {
    "a shorter chain": voucher(owners=("dealer",)),
    "a chain that forks": voucher(owners=("thief", "owner", "more")),
    "a fork of the same length": voucher(owners=("dealer", "thief")),
    "another header under that GUID": voucher(header="another maker"),
}


@pytest.mark.parametrize("offered", REFUSED.values(), ids=REFUSED.keys())
def test_another_voucher_under_that_guid_is_refused(
    vouchers: VoucherStore, offered: VoucherRecord
) -> None:
    vouchers.add(voucher(), ACTOR)
    with pytest.raises(DuplicateVoucher) as refused:
        vouchers.add(offered, ACTOR)
    # of which all is here already is known from what is another one
    older = offered is REFUSED["a shorter chain"]
    assert refused.type is (OlderVoucher if older else DuplicateVoucher)
    assert vouchers.get(GUID) == voucher()


MALFORMED: dict[str, VoucherRecord] = {
    "short GUID": replace(voucher(), guid=b"short"),
    "empty": replace(voucher(), cbor=b""),
    "over 1 MiB": replace(voucher(), cbor=bytes(1048577)),
    "short header digest": replace(voucher(), header_digest=b"x"),
    "short entry digest": replace(voucher(), entry_digests=(b"x",)),
    "256 entries": replace(voucher(), entry_digests=(bytes(32),) * 256),
    "a passport over 16 KiB": replace(voucher(), passport=bytes(16385)),
}


@pytest.mark.parametrize("record", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_record_no_column_should_hold_is_refused(
    vouchers: VoucherStore, record: VoucherRecord
) -> None:
    with pytest.raises(InvalidRecord):
        vouchers.add(record, ACTOR)


def test_a_duplicate_among_others_hinders_none_of_them(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(), ACTOR)
    again, other = voucher(OTHER_GUID), voucher(bytes(16))
    done = vouchers.add_all(
        (again, voucher(header="forged"), other, again), ACTOR, begins="greet"
    )
    assert done[0] is done[2] is Added.STORED
    assert isinstance(done[1], DuplicateVoucher)
    assert done[3] is Added.UNCHANGED
    begun = TaskStore(database).pending("greet")
    assert {one.subject for one in begun} == {OTHER_GUID.hex(), bytes(16).hex()}
    logged = EventLog(database).page(cause="voucher.stored").items
    assert [one.guid for one in logged] == [bytes(16), OTHER_GUID, GUID]
    EventLog(database).verify_chain()


def test_where_one_cannot_be_a_row_none_is_stored(
    vouchers: VoucherStore, database: Database
) -> None:
    broken = replace(voucher(OTHER_GUID), added_at=2**70)
    with pytest.raises(InvalidRecord):
        vouchers.add_all((voucher(), broken), ACTOR, begins="greet")
    with pytest.raises(NotFound):
        vouchers.get(GUID)
    assert not TaskStore(database).pending("greet")
    assert not EventLog(database).page().items


def test_of_two_different_vouchers_stored_at_once_one_wins(
    vouchers: VoucherStore,
) -> None:
    results = race(
        lambda: vouchers.add(voucher(header="one"), ACTOR),
        lambda: vouchers.add(voucher(header="two"), ACTOR),
    )
    assert [r for r in results if r is Added.STORED] == [Added.STORED]
    assert [type(r) for r in results if r is not Added.STORED] == [DuplicateVoucher]


def test_pages_cover_every_voucher_once(vouchers: VoucherStore) -> None:
    guids = [bytes([n]) * 16 for n in range(5)]
    for guid in guids:
        vouchers.add(voucher(guid), ACTOR)
    first = vouchers.page(limit=2)
    second = vouchers.page(first.cursor, limit=2)
    third = vouchers.page(second.cursor, limit=2)
    seen = [item.guid for page in (first, second, third) for item in page.items]
    assert seen == guids
    assert third.cursor is None
    assert first.items[0].entries == 2


def test_a_page_is_filtered_by_owner_key(vouchers: VoucherStore) -> None:
    vouchers.add(voucher(), ACTOR)
    theirs = voucher(OTHER_GUID, owners=("dealer", "somebody"))
    vouchers.add(theirs, ACTOR)
    page = vouchers.page(key_fingerprint=theirs.key_fingerprint)
    assert [item.guid for item in page.items] == [OTHER_GUID]


def test_the_newest_vouchers_come_first_under_any_guid_of_their_device(
    vouchers: VoucherStore,
) -> None:
    for number in range(3):
        made = replace(voucher(bytes([number]) * 16), added_at=NOW + number)
        vouchers.add(replace(made, device_info=f"board {number % 2}"), ACTOR)
    assert [one.guid[0] for one in vouchers.newest(10)] == [2, 1, 0]
    assert [one.guid[0] for one in vouchers.newest(2)] == [2, 1]
    found = vouchers.newest(10, device_info="board 0")
    assert [one.guid[0] for one in found] == [2, 0]
    new = replace(voucher(bytes([9]) * 16, owners=()), added_at=NOW + 9)
    vouchers.take_ownership(bytes(16), new, b"", b"", NOW + 9, run_id=b"run")
    for guid in (bytes(16), new.guid):
        (one,) = vouchers.newest(10, guid)
        assert (one.guid, one.previous_guid) == (new.guid, bytes(16))
        assert (one.imported_at, one.owned_at, one.added_at) == (NOW, NOW + 9, NOW + 9)
    assert vouchers.newest(10, bytes(16), "board 1") == ()
    with pytest.raises(StoreError):
        vouchers.newest(10, device_info="half \ud800")


@pytest.mark.parametrize("cursor", ["zz", "0", "00" * 65, "é"])
def test_a_cursor_we_did_not_give_out_is_refused(
    vouchers: VoucherStore, cursor: str
) -> None:
    with pytest.raises(InvalidCursor):
        vouchers.page(cursor)


def test_deleting_the_voucher_of_a_device_never_owned_forgets_it(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(), ACTOR)
    vouchers.delete(GUID, ACTOR, NOW)
    with pytest.raises(NotFound):
        vouchers.get(GUID)
    with pytest.raises(NotFound):
        DeviceStore(database).get(GUID)
    with pytest.raises(NotFound):
        vouchers.delete(GUID, ACTOR, NOW)
    assert [e.cause for e in EventLog(database).timeline(GUID)] == [
        "voucher.stored",
        "voucher.deleted",
    ]


def test_deleting_the_voucher_of_an_owned_device_retires_it(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(), ACTOR)
    vouchers.take_ownership(GUID, None, b"", b"", NOW, run_id=b"run")
    vouchers.delete(GUID, ACTOR, NOW)
    assert DeviceStore(database).get(GUID).state(NOW) is DeviceState.RETIRED


def test_a_retired_device_whose_voucher_comes_back_starts_as_imported(
    vouchers: VoucherStore, database: Database
) -> None:
    enrolled_device(database)
    vouchers.delete(GUID, ACTOR, NOW)
    assert vouchers.add(voucher(), ACTOR) is Added.STORED
    assert DeviceStore(database).get(GUID).state(NOW) is DeviceState.IMPORTED
    assert BindingStore(database).others_with_ek(digest("ek"), OTHER_GUID) == ()


def test_a_passport_is_laid_beside_its_voucher(vouchers: VoucherStore) -> None:
    vouchers.add(voucher(), ACTOR)
    vouchers.set_passport(GUID, b"passport", ACTOR, NOW)
    assert vouchers.get(GUID).passport == b"passport"
    with pytest.raises(NotFound):
        vouchers.set_passport(OTHER_GUID, b"passport", ACTOR, NOW)
