"""Rendezvous registrations: the contract, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import InvalidRecord, NotFound, RegistrationRefused
from onboarding.store.registrations import RegistrationRecord, RegistrationStore
from tests.support.store_records import GUID, NOW, OTHER_GUID, race, registration


@pytest.fixture
def registrations(database: Database) -> RegistrationStore:
    return RegistrationStore(database)


def test_a_registration_comes_back_as_it_was_put(
    registrations: RegistrationStore,
) -> None:
    registrations.put(registration(), NOW)
    assert registrations.get(GUID, NOW) == registration()


def test_a_registration_ends_when_it_expires(registrations: RegistrationStore) -> None:
    registrations.put(registration(expires=NOW + 60), NOW)
    assert registrations.count(NOW) == 1
    with pytest.raises(NotFound):
        registrations.get(GUID, NOW + 60)
    assert registrations.count(NOW + 60) == 0
    assert registrations.prune(NOW + 60) == 1


ACCEPTED: dict[str, RegistrationRecord] = {
    "the same owner renews": registration(expires=NOW + 7200),
    "the next owner, by a longer chain": registration(
        owners=("dealer", "owner", "buyer")
    ),
}


@pytest.mark.parametrize("offered", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_live_registration_gives_way(
    registrations: RegistrationStore, offered: RegistrationRecord
) -> None:
    registrations.put(registration(), NOW)
    registrations.put(offered, NOW + 1)
    assert registrations.get(GUID, NOW + 1) == offered


REFUSED: dict[str, RegistrationRecord] = {
    "an owner who sold it": registration(owners=("dealer",)),
    "a forked chain": registration(owners=("thief", "owner2", "more")),
    "another voucher with that GUID": registration(header="forged"),
    "another voucher, longer": registration(
        owners=("dealer", "owner", "thief"), header="forged"
    ),
}


@pytest.mark.parametrize("offered", REFUSED.values(), ids=REFUSED.keys())
def test_a_live_registration_does_not_give_way(
    registrations: RegistrationStore, offered: RegistrationRecord
) -> None:
    registrations.put(registration(), NOW)
    with pytest.raises(RegistrationRefused):
        registrations.put(offered, NOW + 1)
    assert registrations.get(GUID, NOW + 1) == registration()


def test_an_expired_registration_gives_way_to_anyone(
    registrations: RegistrationStore,
) -> None:
    registrations.put(registration(expires=NOW + 60), NOW)
    other = registration(owners=("somebody",), header="other")
    registrations.put(other, NOW + 60)
    assert registrations.get(GUID, NOW + 60) == other


def test_of_two_first_registrations_at_once_one_wins(
    registrations: RegistrationStore,
) -> None:
    one = registration(owners=("one",))
    two = registration(owners=("two",))
    results = race(
        lambda: registrations.put(one, NOW), lambda: registrations.put(two, NOW)
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
        registrations.put(record, NOW)
