"""Devices by state and words: SQL and ``state_of`` agree, on both databases."""

import itertools
from dataclasses import fields

import pytest

from attestation.documents import CLOCK_SKEW
from onboarding.store.database import Database
from onboarding.store.device_filter import DeviceFilter
from onboarding.store.device_tables import DeviceGuidRow, DeviceRow
from onboarding.store.devices import DeviceStore
from onboarding.store.state import DeviceFacts, DeviceState, state_of
from tests.support.store_records import ACTOR, NOW

MAYBE = (None, NOW - 5)
LEASES = (None, NOW - 1, NOW, NOW + 1)
NAMES = [field.name for field in fields(DeviceFacts)]


def mixtures() -> list[DeviceFacts]:
    """Each fact known or not, the ones that time runs against also to the second."""
    values = {name: MAYBE for name in NAMES}
    values["appraisal_passed"] = (False, True)  # type: ignore[assignment]
    values["lease_expires"] = values["registered_until"] = LEASES  # type: ignore[assignment]
    values["appraised_at"] = (*MAYBE, NOW + CLOCK_SKEW, NOW + CLOCK_SKEW + 1)  # type: ignore[assignment]
    return [DeviceFacts(*mixture) for mixture in itertools.product(*values.values())]  # type: ignore[arg-type]


def put(database: Database, number: int, facts: DeviceFacts, **more: object) -> bytes:
    guid = number.to_bytes(16, "big")
    told = {name: getattr(facts, name) for name in NAMES}
    told["appraisal_passed"] = int(facts.appraisal_passed)
    with database.transaction() as writing:
        row = {
            "device": guid,
            "guid": guid,
            "serial": f"SN-{number}",
            "imported_at": NOW,
        }
        writing.session.add(DeviceRow(**{**row, **told, **more}))
        writing.session.flush()
        writing.session.add(DeviceGuidRow(guid=guid, device=guid))
    return guid


def test_sql_computes_the_state_of_every_mixture_of_facts(database: Database) -> None:
    known = mixtures()
    assert len(known) == 8192
    with database.transaction() as writing:
        for number, facts in enumerate(known):
            told = {name: getattr(facts, name) for name in NAMES}
            told["appraisal_passed"] = int(facts.appraisal_passed)
            guid = number.to_bytes(16, "big")
            row = DeviceRow(device=guid, guid=guid, imported_at=NOW, **told)
            writing.session.add(row)
    devices = DeviceStore(database)
    for state in DeviceState:
        expected = {
            number.to_bytes(16, "big")
            for number, facts in enumerate(known)
            if state_of(facts, NOW) is state
        }
        assert expected
        assert devices.counts(NOW)[state] == len(expected)
        assert all_of(devices, DeviceFilter(state)) == expected


def all_of(devices: DeviceStore, wanted: DeviceFilter) -> set[bytes]:
    found: list[bytes] = []
    cursor: str | None = None
    while True:
        page = devices.page(NOW, cursor, 500, matching=wanted)
        found += [one.guid for one in page.items]
        if page.cursor is None:
            assert len(found) == len(set(found))
            return set(found)
        cursor = page.cursor


@pytest.fixture
def fleet(database: Database) -> DeviceStore:
    put(database, 1, DeviceFacts(), serial="SBC-0001", device_info="50% off_board")
    put(database, 2, DeviceFacts(owned_at=NOW), serial="SRV-0001", profile="big-x")
    store = DeviceStore(database)
    labels = {"site": 'Köln "Süd"', "rack": "1"}
    store.describe((2).to_bytes(16, "big"), ACTOR, NOW, labels=labels)
    return store


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (DeviceFilter(), {1, 2}),
        (DeviceFilter(text="sbc-"), {1}),
        (DeviceFilter(text="0001"), {1, 2}),
        (DeviceFilter(text="50%"), {1}),
        (DeviceFilter(text="f_b"), {1}),
        (DeviceFilter(text="%"), {1}),
        (DeviceFilter(text="BIG-"), {2}),
        (DeviceFilter(text="00000000-0000-0000-0000-000000000002"), {2}),
        (DeviceFilter(text="00000000-0000"), {1, 2}),
        (DeviceFilter(text="'; DROP TABLE devices; --"), set()),
        (DeviceFilter(DeviceState.OWNED, "0001"), {2}),
        (DeviceFilter(DeviceState.FAILED, "0001"), set()),
        (DeviceFilter(label=("site", 'Köln "Süd"')), {2}),
        (DeviceFilter(label=("rack", "1")), {2}),
        (DeviceFilter(label=("rack", "11")), set()),
        (DeviceFilter(label=("ack", "1")), set()),
    ],
)
def test_a_filter_finds_what_it_names_and_nothing_else(
    fleet: DeviceStore, wanted: DeviceFilter, numbers: set[int]
) -> None:
    expected = {number.to_bytes(16, "big") for number in numbers}
    assert all_of(fleet, wanted) == expected
    assert sum(fleet.counts(NOW, wanted).values()) == len(expected)


def test_a_device_is_found_by_how_an_old_guid_of_its_began(
    fleet: DeviceStore, database: Database
) -> None:
    with database.transaction() as writing:
        present = (2).to_bytes(16, "big")
        writing.session.add(DeviceGuidRow(guid=b"\xab" * 16, device=present))
    assert all_of(fleet, DeviceFilter(text="abab")) == {present}
