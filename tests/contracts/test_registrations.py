"""Rendezvous registrations: the contract, on SQLite and PostgreSQL."""

from dataclasses import replace
from functools import partial

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import (
    InvalidRecord,
    NotFound,
    QuotaReached,
    RegistrationRefused,
)
from onboarding.store.key_rules import Holder, KeyRuleStore, Verdict
from onboarding.store.registrations import (
    RECLAIMED,
    RegistrationRecord,
    RegistrationStore,
)
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    race,
    registration,
    rule,
)

QUOTA = 1000


@pytest.fixture
def registrations(database: Database) -> RegistrationStore:
    return RegistrationStore(database)


def test_a_registration_comes_back_as_it_was_put(
    registrations: RegistrationStore,
) -> None:
    registrations.put(registration(), NOW, QUOTA)
    assert registrations.get(GUID, NOW) == registration()


def test_a_registration_ends_when_it_expires(registrations: RegistrationStore) -> None:
    registrations.put(registration(expires=NOW + 60), NOW, QUOTA)
    assert registrations.count(NOW) == 1
    with pytest.raises(NotFound):
        registrations.get(GUID, NOW + 60)
    assert registrations.count(NOW + 60) == 0
    assert registrations.prune(NOW + 60) == 1


ACCEPTED: dict[str, RegistrationRecord] = {
    "the same owner renews": registration(expires=NOW + 7200),
    "the same owner, signed over to it anew": replace(
        registration(owners=("dealer", "owner again")),
        key_fingerprint=registration().key_fingerprint,
    ),
    "the next owner, by a longer chain": registration(
        owners=("dealer", "owner", "buyer")
    ),
}


@pytest.mark.parametrize("offered", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_live_registration_gives_way(
    registrations: RegistrationStore, offered: RegistrationRecord
) -> None:
    registrations.put(registration(), NOW, QUOTA)
    registrations.put(offered, NOW + 1, QUOTA)
    assert registrations.get(GUID, NOW + 1) == offered


REFUSED: dict[str, RegistrationRecord] = {
    "an owner who sold it": registration(owners=("dealer",)),
    "the same owner, by a shorter chain": replace(
        registration(owners=("owner",)),
        key_fingerprint=registration().key_fingerprint,
    ),
    "a forked chain": registration(owners=("thief", "owner2", "more")),
    "another voucher with that GUID": registration(header="forged"),
    "another voucher, longer": registration(
        owners=("dealer", "owner", "thief"), header="forged"
    ),
    "another voucher of the same owner": replace(
        registration(header="forged"), key_fingerprint=registration().key_fingerprint
    ),
}


@pytest.mark.parametrize("offered", REFUSED.values(), ids=REFUSED.keys())
def test_a_live_registration_does_not_give_way(
    registrations: RegistrationStore, offered: RegistrationRecord
) -> None:
    registrations.put(registration(), NOW, QUOTA)
    with pytest.raises(RegistrationRefused):
        registrations.put(offered, NOW + 1, QUOTA)
    assert registrations.get(GUID, NOW + 1) == registration()


def test_an_expired_registration_gives_way_to_anyone(
    registrations: RegistrationStore,
) -> None:
    registrations.put(registration(expires=NOW + 60), NOW, QUOTA)
    other = registration(owners=("somebody",), header="other")
    registrations.put(other, NOW + 60, QUOTA)
    assert registrations.get(GUID, NOW + 60) == other
    assert held(registrations) == {other.key_fingerprint: 1}


def device(
    number: int, owner: str = "owner", seconds: int = 3600
) -> RegistrationRecord:
    """One of many devices of an owner."""
    guid = number.to_bytes(16, "big")
    return registration(guid, ("dealer", owner), expires=NOW + seconds)


def held(registrations: RegistrationStore) -> dict[str, int]:
    return dict(registrations.owners(None, 100).items)


def test_expired_rows_are_taken_away_by_those_who_write_a_few_at_a_time(
    registrations: RegistrationStore,
) -> None:
    for number in range(3 * RECLAIMED):
        registrations.put(device(number, seconds=60), NOW, QUOTA)
    later = NOW + 60
    assert registrations.count(later) == 0
    for written in (1, 2):
        registrations.put(device(1000 + written), later, QUOTA)
        left = 3 * RECLAIMED - written * RECLAIMED
        assert held(registrations) == {device(0).key_fingerprint: left + written}
    assert registrations.prune(later, 3) == 3
    assert registrations.prune(later) == RECLAIMED - 3
    assert registrations.prune(later) == 0
    assert held(registrations) == {device(0).key_fingerprint: 2}


def test_an_owner_holds_its_quota_and_no_more(registrations: RegistrationStore) -> None:
    for number in range(2):
        registrations.put(device(number), NOW, 2)
    for _ in range(2):  # a refusal leaves no trace
        with pytest.raises(QuotaReached, match=r"holds 2 .* quota is 2"):
            registrations.put(device(2), NOW, 2)
        assert registrations.count(NOW) == 2
    registrations.put(device(1, seconds=7200), NOW, 2)  # a renewal
    registrations.put(device(2, "another"), NOW, 2)
    assert held(registrations) == {
        device(0).key_fingerprint: 2,
        device(0, "another").key_fingerprint: 1,
    }


def test_a_quota_is_of_live_registrations(registrations: RegistrationStore) -> None:
    for number in range(3 * RECLAIMED):
        registrations.put(device(number, seconds=60), NOW, 3 * RECLAIMED)
    registrations.put(device(100), NOW + 60, 1)
    assert held(registrations) == {device(0).key_fingerprint: 1}


def test_a_device_that_is_sold_on_counts_for_its_new_owner(
    registrations: RegistrationStore,
) -> None:
    registrations.put(device(1), NOW, 1)
    sold = registration(device(1).guid, ("dealer", "owner", "buyer"))
    registrations.put(sold, NOW, 1)
    assert held(registrations) == {sold.key_fingerprint: 1}
    registrations.put(device(2), NOW, 1)
    with pytest.raises(QuotaReached):
        registrations.put(registration(device(3).guid, ("d", "buyer")), NOW, 1)


def test_an_owner_may_have_a_quota_of_its_own(
    registrations: RegistrationStore, database: Database
) -> None:
    rules, owner = KeyRuleStore(database), device(0).key_fingerprint
    for quota, number in ((2, 1), (0, 7)):
        rules.put(rule(Holder.OWNER, owner, None, quota))
        for taken in range(quota):
            registrations.put(device(number + taken), NOW, 1)
        with pytest.raises(QuotaReached, match=f"quota is {quota}"):
            registrations.put(device(number + quota), NOW, QUOTA)
    assert registrations.count(NOW) == 2  # a lower quota ends nothing
    registrations.put(device(1, seconds=7200), NOW, 1)


def test_of_many_registrations_at_once_no_more_than_the_quota_stand(
    registrations: RegistrationStore,
) -> None:
    puts = [partial(registrations.put, device(number), NOW, 3) for number in range(8)]
    refused = [one for one in race(*puts) if isinstance(one, QuotaReached)]
    assert len(refused) == 5
    assert registrations.count(NOW) == 3
    assert held(registrations) == {device(0).key_fingerprint: 3}


def test_writers_who_take_the_same_rows_away_do_not_wait_for_ever(
    registrations: RegistrationStore,
) -> None:
    for number in range(40):
        registrations.put(device(number, f"owner {number % 5}", 60), NOW, QUOTA)
    later = NOW + 60

    def write(start: int) -> None:
        for number in range(start, start + 10):
            registrations.put(device(number, f"owner {number % 5}"), later, QUOTA)

    results = race(*(partial(write, start) for start in (0, 5, 100, 105)))
    assert results == [None] * 4
    total = sum(held(registrations).values())
    assert registrations.count(later) + registrations.prune(later) == total


def test_a_denied_key_shows_at_registrations_of_before(
    registrations: RegistrationStore, database: Database
) -> None:
    rules, maker = KeyRuleStore(database), "ab" * 32
    record = replace(registration(), maker=maker)
    registrations.put(record, NOW, QUOTA)
    for holder, key in (
        (Holder.OWNER, record.key_fingerprint),
        (Holder.MANUFACTURER, maker),
    ):
        rules.put(rule(holder, key, Verdict.DENY))
        assert registrations.get(GUID, NOW) == replace(record, denied=holder.value)
        rules.remove(holder, key, ACTOR, NOW)
        assert registrations.get(GUID, NOW) == record
    rules.put(rule(Holder.OWNER, record.key_fingerprint, Verdict.ALLOW))
    rules.put(rule(Holder.OWNER, maker, Verdict.DENY))  # the same key, another role
    assert registrations.get(GUID, NOW) == record


def test_of_two_first_registrations_at_once_one_wins(
    registrations: RegistrationStore,
) -> None:
    one = registration(owners=("one",))
    two = registration(owners=("two",))
    results = race(
        lambda: registrations.put(one, NOW, QUOTA),
        lambda: registrations.put(two, NOW, QUOTA),
    )
    refused = [r for r in results if isinstance(r, RegistrationRefused)]
    assert len(refused) == 1
    assert registrations.get(GUID, NOW) in (one, two)


@pytest.mark.parametrize(
    "record",
    [
        replace(registration(), to1d=b""),
        replace(registration(), to1d=bytes(16385)),
        replace(registration(OTHER_GUID), guid=b"short"),
    ],
    ids=["empty", "over 16 KiB", "short GUID"],
)
def test_a_registration_out_of_bounds_is_refused(
    registrations: RegistrationStore, record: RegistrationRecord
) -> None:
    with pytest.raises(InvalidRecord):
        registrations.put(record, NOW, QUOTA)
