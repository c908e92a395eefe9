"""A device's vouchers over time, and one that is sold: on SQLite and PostgreSQL."""

import json

import pytest

from onboarding.store.arrivals import Added
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.lineage import LineageStore, Standing
from onboarding.store.seen import Seen
from onboarding.store.state import DeviceState
from onboarding.store.tasks import TaskStore
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    digest,
    enrolled_device,
    voucher,
)

SECOND, THIRD = bytes([2]) * 16, bytes([3]) * 16
TO0 = ("to0", GUID.hex())


@pytest.fixture
def vouchers(database: Database) -> VoucherStore:
    store = VoucherStore(database)
    store.add(voucher(), ACTOR)
    return store


@pytest.fixture
def lineage(database: Database) -> LineageStore:
    return LineageStore(database)


def take(store: VoucherStore, old: bytes, new: bytes, at: int = NOW) -> None:
    run = digest("run", old, new)[:16]
    replacement = voucher(new, owners=())
    store.take_ownership(old, replacement, b"", b"", at, run_id=run)


def test_every_voucher_of_a_device_is_told_by_any_of_its_guids(
    vouchers: VoucherStore, lineage: LineageStore
) -> None:
    take(vouchers, GUID, SECOND)
    take(vouchers, SECOND, THIRD, NOW + 1)
    found = lineage.of(GUID)
    assert [(one.guid, one.standing, one.replaced_by) for one in found] == [
        (THIRD, Standing.LIVE, None),
        (SECOND, Standing.SERVED, THIRD),
        (GUID, Standing.SERVED, THIRD),
    ]
    assert [one.entries for one in found] == [0, 0, 2]
    assert lineage.of(SECOND) == lineage.of(THIRD) == found
    with pytest.raises(NotFound):
        lineage.of(OTHER_GUID)


def test_a_replaced_voucher_can_be_had_when_it_is_no_longer_served(
    vouchers: VoucherStore, lineage: LineageStore
) -> None:
    before = lineage.get(GUID)
    take(vouchers, GUID, SECOND)
    vouchers.confirm(SECOND)
    assert lineage.of(SECOND)[1].standing is Standing.KEPT
    kept = lineage.get(GUID)
    assert (kept.cbor, kept.superseded) == (before.cbor, True)
    assert not lineage.get(SECOND).superseded
    with pytest.raises(NotFound):
        lineage.get(OTHER_GUID)


def test_a_recovered_voucher_takes_its_device_through_to2_again(
    vouchers: VoucherStore, lineage: LineageStore, database: Database
) -> None:
    take(vouchers, GUID, SECOND)
    assert not lineage.recover(GUID, ACTOR, NOW)  # it is served as it is
    vouchers.confirm(SECOND)
    assert lineage.recover(GUID, ACTOR, NOW + 1)
    assert vouchers.get(GUID).superseded
    take(vouchers, GUID, THIRD, NOW + 2)
    assert DeviceStore(database).get(SECOND).guid == THIRD
    causes = [event.cause for event in EventLog(database).timeline(GUID)]
    assert causes.count("voucher.recovered") == 1


def test_a_live_voucher_is_not_recovered(
    vouchers: VoucherStore, lineage: LineageStore
) -> None:
    for guid in (GUID, OTHER_GUID):
        with pytest.raises(NotFound):
            lineage.recover(guid, ACTOR, NOW)


def test_a_plan_stands_until_the_credential_is_replaced(
    vouchers: VoucherStore, lineage: LineageStore
) -> None:
    lineage.plan(GUID, b"plan", ACTOR, NOW)
    assert vouchers.get(GUID).plan == b"plan"
    take(vouchers, GUID, SECOND)
    assert vouchers.get(SECOND).plan is None
    with pytest.raises(NotFound):
        lineage.plan(GUID, b"plan", ACTOR, NOW)
    lineage.plan(SECOND, b"plan", ACTOR, NOW)
    lineage.plan(SECOND, None, ACTOR, NOW)
    assert vouchers.get(SECOND).plan is None


def test_a_device_that_is_sold_is_retired_and_nothing_more_is_done_for_it(
    database: Database, lineage: LineageStore
) -> None:
    enrolled_device(database)
    TaskStore(database).enqueue(*TO0, NOW)
    lineage.plan(GUID, b"plan", ACTOR, NOW)
    longer = voucher(owners=("dealer", "owner", "buyer"))
    lineage.pass_on(longer, ACTOR, TO0)
    assert DeviceStore(database).get(GUID).state(NOW) is DeviceState.RETIRED
    assert TaskStore(database).pending("to0") == ()
    stored = VoucherStore(database).get(GUID)
    assert (stored.cbor, stored.plan) == (longer.cbor, None)
    (sold,) = EventLog(database).timeline(GUID)[-1:]
    assert (sold.cause, json.loads(sold.detail)["buyer"]) == (
        "voucher.resold",
        longer.key_fingerprint,
    )


def test_a_sold_device_is_not_served_under_its_older_credential(
    vouchers: VoucherStore, lineage: LineageStore
) -> None:
    take(vouchers, GUID, SECOND)
    lineage.pass_on(voucher(SECOND, owners=("buyer",)), ACTOR, TO0)
    with pytest.raises(NotFound):
        vouchers.get(GUID)
    assert lineage.get(GUID).superseded


SOLD_WRONGLY = {
    "an entry is missing": voucher(owners=("dealer", "owner", "x", "buyer")),
    "another chain": voucher(owners=("dealer", "thief", "buyer")),
    "another header": voucher(header="other", owners=("dealer", "owner", "buyer")),
    "another GUID": voucher(OTHER_GUID, owners=("dealer", "owner", "buyer")),
}


@pytest.mark.parametrize("name", SOLD_WRONGLY)
def test_only_the_voucher_that_stands_is_sold(
    vouchers: VoucherStore, lineage: LineageStore, name: str
) -> None:
    before = vouchers.get(GUID)
    with pytest.raises(Conflict):
        lineage.pass_on(SOLD_WRONGLY[name], ACTOR, TO0)
    assert vouchers.get(GUID) == before


def test_a_device_that_is_bought_back_starts_as_imported(
    database: Database, lineage: LineageStore
) -> None:
    enrolled_device(database)
    lineage.pass_on(voucher(owners=("dealer", "owner", "buyer")), ACTOR, TO0)
    back = voucher(owners=("dealer", "owner", "buyer", "owner"))
    assert VoucherStore(database).add(back, ACTOR, bought=True) is Added.EXTENDED
    assert DeviceStore(database).get(GUID).state(NOW) is DeviceState.IMPORTED


def test_a_device_retired_by_mistake_comes_back_with_its_own_voucher(
    database: Database, vouchers: VoucherStore
) -> None:
    DeviceStore(database).retire(GUID, "mistake", ACTOR, NOW)
    with pytest.raises(Conflict, match="scrapped"):
        take(vouchers, GUID, SECOND)
    assert vouchers.add(voucher(), ACTOR) is Added.UNCHANGED
    assert vouchers.get(GUID).retired
    assert vouchers.add(voucher(), ACTOR, bought=True) is Added.STORED
    assert vouchers.add(voucher(), ACTOR, bought=True) is Added.UNCHANGED
    take(vouchers, GUID, SECOND)


def test_what_became_of_the_credential_is_on_record(
    vouchers: VoucherStore, database: Database
) -> None:
    devices = DeviceStore(database)
    assert devices.get(GUID).credential is None
    vouchers.take_ownership(GUID, None, b"", b"", NOW, run_id=b"1", credential="kept")
    assert devices.get(GUID).credential == "kept"
    vouchers.take_ownership(GUID, None, b"", b"", NOW, run_id=b"2")
    assert devices.get(GUID).credential == "reused"
    take(vouchers, GUID, SECOND)
    assert devices.get(GUID).credential == "replaced"


def test_a_plan_is_changed_only_as_it_was_seen(
    vouchers: VoucherStore, lineage: LineageStore
) -> None:
    with pytest.raises(Conflict):
        lineage.plan(GUID, b"one", ACTOR, NOW, Seen(b"other"))
    lineage.plan(GUID, b"one", ACTOR, NOW, Seen(None))
    with pytest.raises(Conflict):
        lineage.plan(GUID, b"other", ACTOR, NOW, Seen(None))
    assert vouchers.get(GUID).plan == b"one"
    lineage.plan(GUID, None, ACTOR, NOW, Seen(b"one"))
    assert vouchers.get(GUID).plan is None
