"""Owner keys: their states, and what hangs on each, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import Conflict, InvalidRecord
from onboarding.store.event_log import EventLog
from onboarding.store.lineage import LineageStore
from onboarding.store.owner_keys import (
    Hold,
    KeyInUse,
    KeyStanding,
    KeyState,
    OwnerKeyStore,
)
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, GUID, NOW, digest, race, voucher

OLD, NEW = digest("key", ("owner",)).hex(), digest("key", ("next",)).hex()
RETIRING = KeyStanding(OLD, KeyState.RETIRING, NEW, "yearly", NOW, ACTOR)
RETIRED = replace(RETIRING, state=KeyState.RETIRED)


@pytest.fixture
def keys(database: Database) -> OwnerKeyStore:
    return OwnerKeyStore(database)


@pytest.fixture
def vouchers(database: Database) -> VoucherStore:
    return VoucherStore(database)


def guid(number: int) -> bytes:
    return bytes([number]) * 16


def take(
    vouchers: VoucherStore, old: bytes, new: bytes | None = None, key: str = OLD
) -> None:
    record = None
    if new is not None:
        record = replace(voucher(new, owners=()), key_fingerprint=key)
    run = digest("run", old, new)[:16]
    vouchers.take_ownership(old, record, b"", b"", NOW, run_id=run)


def holds(keys: OwnerKeyStore, key: str = OLD) -> dict[bytes, Hold]:
    return {one.guid: one.hold for one in keys.held(key).items}


def test_a_key_of_which_nothing_was_said_is_not_listed(keys: OwnerKeyStore) -> None:
    assert keys.all() == ()
    assert keys.holdings(OLD) == {}


def test_what_was_said_last_counts_and_each_word_is_an_event(
    keys: OwnerKeyStore, database: Database
) -> None:
    keys.put(RETIRING, KeyState.ACTIVE)
    revoked = replace(RETIRING, state=KeyState.REVOKED, reason="stolen")
    keys.put(revoked, KeyState.RETIRING)
    assert keys.all() == (revoked,)
    events = EventLog(database).page(None, 10, cause="owner_key").items
    assert [one.cause for one in events] == ["owner_key.revoked", "owner_key.retiring"]
    assert events[0].evidence_digest == bytes.fromhex(OLD)


def test_a_word_on_a_state_that_is_gone_is_refused(keys: OwnerKeyStore) -> None:
    keys.put(RETIRING, KeyState.ACTIVE)
    with pytest.raises(Conflict, match="meanwhile"):
        keys.put(RETIRED, KeyState.ACTIVE)
    assert keys.all() == (RETIRING,)


def test_two_words_at_once_do_not_both_count(keys: OwnerKeyStore) -> None:
    keys.put(RETIRING, KeyState.ACTIVE)
    said = [
        replace(RETIRING, state=KeyState.REVOKED),
        replace(RETIRING, state=KeyState.ACTIVE, successor=None),
    ]
    results = race(*(lambda one=one: keys.put(one, KeyState.RETIRING) for one in said))
    assert sum(isinstance(one, Conflict) for one in results) == 1
    assert keys.all()[0] in said


def test_no_word_is_said_of_what_is_no_fingerprint(keys: OwnerKeyStore) -> None:
    with pytest.raises(InvalidRecord):
        keys.put(KeyStanding("00"), KeyState.ACTIVE)


def test_vouchers_are_told_by_how_they_hang_on_the_key(
    keys: OwnerKeyStore, vouchers: VoucherStore, database: Database
) -> None:
    for number in range(1, 7):
        vouchers.add(voucher(guid(number)), ACTOR)
    take(vouchers, guid(2))  # keeps its credential
    take(vouchers, guid(3), guid(13), NEW)
    take(vouchers, guid(4), guid(14), NEW)
    vouchers.confirm(guid(14))
    DeviceStore(database).retire(guid(5), "scrapped", ACTOR, NOW)
    take(vouchers, guid(6))
    longer = voucher(guid(6), owners=("dealer", "owner", "next"))
    vouchers.add(longer, ACTOR)
    assert holds(keys) == {
        guid(1): Hold.WAITING,
        guid(2): Hold.ONBOARDED,
        guid(3): Hold.FALLBACK,
        guid(4): Hold.MOVED,
        guid(5): Hold.SOLD,
        guid(6): Hold.MOVING,
    }
    assert keys.holdings(OLD) == dict.fromkeys(holds(keys).values(), 1)
    assert holds(keys, NEW) == {
        guid(6): Hold.WAITING,
        guid(13): Hold.ONBOARDED,
        guid(14): Hold.ONBOARDED,
    }


def test_a_device_onboarded_twice_under_one_key_keeps_its_older_voucher(
    keys: OwnerKeyStore, vouchers: VoucherStore
) -> None:
    vouchers.add(voucher(), ACTOR)
    take(vouchers, GUID, guid(40))
    assert holds(keys) == {GUID: Hold.FALLBACK, guid(40): Hold.ONBOARDED}
    vouchers.confirm(guid(40))
    assert holds(keys)[GUID] is Hold.KEPT


def test_a_sold_device_needs_its_sellers_key_no_more(
    keys: OwnerKeyStore, vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(), ACTOR)
    take(vouchers, GUID)
    buyer = voucher(GUID, owners=("dealer", "owner", "buyer"))
    LineageStore(database).pass_on(buyer, ACTOR, ("to0", GUID.hex()))
    assert holds(keys) == {GUID: Hold.SOLD}


def test_pages_follow_the_guid_through_all_kinds(
    keys: OwnerKeyStore, vouchers: VoucherStore
) -> None:
    for number in range(1, 6):
        vouchers.add(voucher(guid(number)), ACTOR)
    take(vouchers, guid(2), guid(12), NEW)
    found, cursor = [], None
    while True:
        page = keys.held(OLD, cursor, 2)
        found += [one.guid for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [guid(number) for number in range(1, 6)]


def test_a_key_that_is_needed_is_not_given_up_without_a_word(
    keys: OwnerKeyStore, vouchers: VoucherStore
) -> None:
    vouchers.add(voucher(), ACTOR)
    with pytest.raises(KeyInUse, match="1 vouchers or devices") as refused:
        keys.put(RETIRED, KeyState.ACTIVE, owning_nothing=True)
    assert refused.value.holdings == {Hold.WAITING: 1}
    assert keys.all() == ()
    take(vouchers, GUID, guid(50), NEW)
    vouchers.confirm(guid(50))
    keys.put(RETIRED, KeyState.ACTIVE, owning_nothing=True)
    assert keys.all() == (RETIRED,)


@pytest.mark.parametrize("blocked", [OLD, NEW])
def test_no_device_is_taken_by_a_key_that_was_blocked_meanwhile(
    keys: OwnerKeyStore, vouchers: VoucherStore, blocked: str
) -> None:
    vouchers.add(voucher(), ACTOR)
    stolen = KeyStanding(blocked, KeyState.REVOKED, None, "stolen", NOW, ACTOR)
    keys.put(stolen, KeyState.ACTIVE)
    with pytest.raises(Conflict, match="blocked"):
        take(vouchers, GUID, guid(60), NEW)
    assert vouchers.get(GUID).known_key is None
    keys.put(replace(stolen, state=KeyState.ACTIVE), KeyState.REVOKED)
    take(vouchers, GUID, guid(60), NEW)
    assert vouchers.get(guid(60)).known_key == NEW


def test_a_device_that_is_bought_back_knows_no_key_of_ours(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(), ACTOR)
    take(vouchers, GUID)
    assert vouchers.get(GUID).known_key == OLD
    DeviceStore(database).retire(GUID, "sold", ACTOR, NOW)
    vouchers.add(voucher(), ACTOR, bought=True)
    assert vouchers.get(GUID).known_key is None
