"""What a caller is limited to, in each list of devices: both databases alike."""

import json
from collections.abc import Callable

import pytest

from onboarding.store.apikeys import ApiKeyStore, Role
from onboarding.store.cohort_tables import UpdateWindowRow
from onboarding.store.database import Database
from onboarding.store.decisions import DecisionRecord, DecisionStore
from onboarding.store.device_filter import DeviceFilter, Labels
from onboarding.store.device_tables import DeviceGuidRow, DeviceRow
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event
from onboarding.store.key_limits import Limits
from onboarding.store.overview import OverviewStore
from onboarding.store.update_windows import UpdateWindowStore
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, NOW, voucher

LABELS: tuple[dict[str, str], ...] = (
    {"site": "berlin", "rack": "7"},
    {"site": "Berlin", "rack": "7"},  # SQLite's LIKE would take it for the same
    {"site": "berlin2"},
    {"note": '"site": "berlin"'},
    {"note": '\\", "site": "berlin", "x": "'},
    {"website": "berlin", "rack": "77"},
    {},
    {"a": "ü%_", "site": "berlin"},
)
BERLIN: Labels = (("site", "berlin"),)
CASES: dict[str, tuple[Labels, set[int]]] = {
    "no limit": ((), set(range(8))),
    "one label": (BERLIN, {0, 7}),
    "two labels": ((*BERLIN, ("rack", "7")), {0}),
    "another case": ((("site", "Berlin"),), {1}),
    "signs of LIKE": ((("a", "ü%_"),), {7}),
    "a quote": ((("note", '"site": "berlin"'),), {3}),
    "nobody": ((("site", "%"),), set()),
}


def now_of(number: int) -> bytes:
    return bytes([number]) * 16


def then_of(number: int) -> bytes:
    """The GUID that the device had before."""
    return bytes([number + 100]) * 16


@pytest.fixture
def filled(database: Database) -> Database:
    with database.transaction() as writing:
        for number, labels in enumerate(LABELS):
            guid, text = now_of(number), json.dumps(labels, sort_keys=True)
            row = DeviceRow(
                device=guid, guid=guid, imported_at=NOW, owned_at=NOW, labels=text
            )
            writing.session.add(row)
            writing.session.flush()
            for known in (guid, then_of(number)):
                writing.session.add(DeviceGuidRow(guid=known, device=guid))
    return database


def numbers(guids: object) -> set[int]:
    return {guid[0] % 100 for guid in guids}  # type: ignore[attr-defined]


LISTS: dict[str, Callable[[Database, Labels], set[int]]] = {
    "devices": lambda db, within: numbers(
        one.guid
        for one in DeviceStore(db).page(NOW, matching=DeviceFilter(within=within)).items
    ),
    "unattested": lambda db, within: numbers(
        one.guid for one in OverviewStore(db).unattested(NOW, within=within).items
    ),
    "events": lambda db, within: numbers(
        one.guid for one in EventLog(db).page(within=within).items if one.guid
    ),
    "events to come": lambda db, within: numbers(
        one.guid for one in EventLog(db).after(0, within=within) if one.guid
    ),
    "decisions": lambda db, within: numbers(
        one.guid for one in DecisionStore(db).page(within=within).items
    ),
    "updates": lambda db, within: numbers(
        one.guid for one in UpdateWindowStore(db).page(NOW, within=within).items
    ),
    "vouchers": lambda db, within: numbers(
        one.guid for one in VoucherStore(db).page(within=Limits(within)).items
    ),
}


def fill(database: Database) -> None:
    """What each list has of every device, half of it under the GUID of before."""
    log, decisions = EventLog(database), DecisionStore(database)
    log.append(Event("nobody's", ACTOR, NOW))
    for number in range(len(LABELS)):
        guid = (then_of if number % 2 else now_of)(number)
        log.append(Event("test", ACTOR, NOW, guid))
        record = (str(number), guid, True, (), b"", b"", None, NOW)
        decisions.add(DecisionRecord(*record), ACTOR)
        VoucherStore(database).add(voucher(now_of(number)), ACTOR)
        with database.transaction() as writing:
            window = UpdateWindowRow(
                device=now_of(number),
                policy_name="p",
                old_version=1,
                new_version=2,
                image=b"",
                opened_at=NOW,
                opened_by=ACTOR,
                ends_at=NOW + 60,
            )
            writing.session.add(window)
            row = writing.session.get(DeviceRow, now_of(number))
            assert row is not None
            row.owned_at = NOW  # which its voucher took back


def test_every_list_shows_what_one_is_limited_to(filled: Database) -> None:
    fill(filled)
    for name, ask in LISTS.items():
        for case, (within, expected) in CASES.items():
            assert ask(filled, within) == expected, (name, case)
    assert all(one.guid for one in EventLog(filled).page(within=BERLIN).items)


def test_one_device_is_found_under_each_guid_and_only_within(filled: Database) -> None:
    devices = DeviceStore(filled)
    for within, expected in CASES.values():
        for number in range(len(LABELS)):
            for guid in (now_of(number), then_of(number)):
                if number in expected:
                    assert devices.get(guid, within).guid == now_of(number)
                    continue
                with pytest.raises(NotFound) as beyond:
                    devices.get(guid, within)
                assert str(beyond.value) == f"there is no device with GUID {guid.hex()}"


def test_labels_are_changed_within_alone(filled: Database) -> None:
    devices = DeviceStore(filled)
    for number in (1, 3, 6):
        with pytest.raises(NotFound):
            devices.describe(now_of(number), ACTOR, NOW, labels={}, within=BERLIN)
        assert devices.get(now_of(number)).labels == LABELS[number]
    devices.describe(now_of(0), ACTOR, NOW, labels={"x": "y"}, within=BERLIN)
    assert devices.get(now_of(0)).labels == {"x": "y"}


def test_a_key_keeps_the_limits_it_was_made_with(database: Database) -> None:
    keys = ApiKeyStore(database)
    for role, limits in (
        (Role.OPERATOR, Limits((*BERLIN, ("rack", "ü 7")))),
        (Role.MANUFACTURER, Limits(lines=("line-7", "line-8"))),
    ):
        key, token = keys.create("n", role, ACTOR, NOW, limits=limits)
        assert key.limits == limits
        assert keys.verify(token, NOW) == keys.living(key.id, NOW) == key
        assert key in keys.list()


WRONG: dict[str, tuple[Role, Limits]] = {
    "labels of a manufacturer": (Role.MANUFACTURER, Limits(BERLIN)),
    "labels of an admin": (Role.ADMIN, Limits(BERLIN)),
    "lines of security": (Role.SECURITY, Limits(lines=("a",))),
    "both": (Role.OPERATOR, Limits(BERLIN, ("a",))),
    "two values": (Role.OPERATOR, Limits((*BERLIN, ("site", "munich")))),
    "no name": (Role.OPERATOR, Limits((("", "x"),))),
    "too many": (Role.MANUFACTURER, Limits(lines=tuple(map(str, range(33))))),
    "too long": (Role.OPERATOR, Limits((("x", "y" * 300_000),))),
}


@pytest.mark.parametrize("how", WRONG)
def test_limits_that_would_not_hold_are_refused(database: Database, how: str) -> None:
    role, limits = WRONG[how]
    with pytest.raises(InvalidRecord):
        ApiKeyStore(database).create("n", role, ACTOR, NOW, limits=limits)
