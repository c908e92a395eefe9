"""Production lines, stations and known keys: the contract, on both databases."""

import pytest

from onboarding.store import lines as module
from onboarding.store.database import Database
from onboarding.store.device_keys import DeviceKeyStore, KnownKey
from onboarding.store.errors import ApiKeyRefused, Conflict, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.lines import BODY_LIMIT, LineStore
from tests.support.store_records import ACTOR, NOW


@pytest.fixture
def lines(database: Database) -> LineStore:
    return LineStore(database)


def test_a_line_is_set_changed_and_removed(lines: LineStore) -> None:
    assert lines.find("a") is None
    assert lines.put("a", b"1", ACTOR, NOW).version == 1
    assert lines.put("a", b"2", ACTOR, NOW).version == 2
    lines.put("b", b"3", ACTOR, NOW)
    assert [(one.name, one.body) for one in lines.list()] == [("a", b"2"), ("b", b"3")]
    lines.delete("a", ACTOR, NOW)
    for missing in (lambda: lines.get("a"), lambda: lines.delete("a", ACTOR, NOW)):
        with pytest.raises(NotFound):
            missing()


def test_a_station_speaks_for_its_own_line_until_it_is_dismissed(
    lines: LineStore,
) -> None:
    for name in ("a", "b"):
        lines.put(name, b"", ACTOR, NOW)
    made, key = lines.hire("a", "bench 1", ACTOR, NOW)
    assert lines.station_of("a", key) == "bench 1"
    with pytest.raises(ApiKeyRefused):
        lines.station_of("b", key)
    lines.dismiss("a", made, ACTOR, NOW)
    with pytest.raises(ApiKeyRefused):
        lines.station_of("a", key)
    with pytest.raises(NotFound):
        lines.dismiss("a", made, ACTOR, NOW)
    (station,) = lines.stations("a")
    assert (station.name, station.revoked_at) == ("bench 1", NOW)


@pytest.mark.parametrize("token", ["", "vgl", "vgl_x_", "vg_00_x", "vgl_00_x" * 40])
def test_what_is_no_key_is_refused_alike(lines: LineStore, token: str) -> None:
    lines.put("a", b"", ACTOR, NOW)
    with pytest.raises(ApiKeyRefused, match="the line's key is not valid"):
        lines.station_of("a", token)


def test_the_secret_of_another_station_opens_nothing(lines: LineStore) -> None:
    lines.put("a", b"", ACTOR, NOW)
    first, second = (lines.hire("a", name, ACTOR, NOW) for name in ("one", "two"))
    mixed = f"vgl_{first[0]}_{second[1].split('_', 2)[2]}"
    with pytest.raises(ApiKeyRefused):
        lines.station_of("a", mixed)


def test_a_line_that_is_removed_and_set_again_has_no_station(lines: LineStore) -> None:
    lines.put("a", b"", ACTOR, NOW)
    _, key = lines.hire("a", "bench 1", ACTOR, NOW)
    lines.delete("a", ACTOR, NOW)
    lines.put("a", b"", ACTOR, NOW)
    with pytest.raises(ApiKeyRefused):
        lines.station_of("a", key)


def test_lines_and_stations_are_bounded(
    lines: LineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 1)
    monkeypatch.setattr(module, "MAX_STATIONS", 1)
    lines.put("a", b"", ACTOR, NOW)
    lines.put("a", b"changed", ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        lines.put("b", b"", ACTOR, NOW)
    assert lines.find("b") is None
    lines.hire("a", "bench 1", ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        lines.hire("a", "bench 2", ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        lines.put("a", bytes(BODY_LIMIT + 1), ACTOR, NOW)
    with pytest.raises(NotFound):
        lines.hire("nowhere", "bench", ACTOR, NOW)


def test_each_change_is_an_event_without_the_secret(
    lines: LineStore, database: Database
) -> None:
    lines.put("a", b"", ACTOR, NOW)
    made, key = lines.hire("a", "bench 1", ACTOR, NOW)
    lines.dismiss("a", made, ACTOR, NOW)
    lines.delete("a", ACTOR, NOW)
    events = EventLog(database).page().items[::-1]
    assert [one.cause for one in events] == [
        "line.changed",
        "station.hired",
        "station.dismissed",
        "line.removed",
    ]
    secret = key.split("_", 2)[2]
    assert all(secret not in one.detail for one in events)
    assert all(one.actor == ACTOR for one in events)


def test_known_keys_are_listed_replaced_and_forgotten(database: Database) -> None:
    keys = DeviceKeyStore(database)
    names = ["b", "a", "c"]
    keys.put([KnownKey(one, one.encode(), NOW, ACTOR) for one in names], ACTOR, NOW)
    first = keys.page(limit=2)
    assert [one.name for one in first.items] == ["a", "b"]
    assert [one.name for one in keys.page(first.cursor, 2).items] == ["c"]
    keys.put([KnownKey("a", b"new", NOW, ACTOR)], ACTOR, NOW + 1)
    assert keys.find("a") == b"new"
    keys.delete("a", ACTOR, NOW)
    assert keys.find("a") is None
    with pytest.raises(NotFound):
        keys.delete("a", ACTOR, NOW)


def test_no_two_devices_are_known_by_one_key(database: Database) -> None:
    keys = DeviceKeyStore(database)
    first, copy = (KnownKey(name, b"k", NOW, ACTOR) for name in ("first", "copy"))
    other = KnownKey("first", b"other", NOW, ACTOR)
    for both in ([first, copy], [first, other]):
        with pytest.raises((Conflict, InvalidRecord)):
            keys.put(both, ACTOR, NOW)
        assert keys.find("first") is None
    keys.put([first], ACTOR, NOW)
    with pytest.raises(Conflict, match="that of first"):
        keys.put([copy], ACTOR, NOW)
    keys.put([other], ACTOR, NOW)
    keys.put([copy], ACTOR, NOW)
    assert keys.find("copy") == b"k"


@pytest.mark.parametrize(
    ("name", "key"), [("", b"k"), ("x" * 129, b"k"), ("a\n", b"k"), ("a", b"")]
)
def test_a_known_key_that_no_column_should_hold_is_refused_with_all_others(
    database: Database, name: str, key: bytes
) -> None:
    keys = DeviceKeyStore(database)
    good = KnownKey("good", b"k", NOW, ACTOR)
    with pytest.raises(InvalidRecord):
        keys.put([good, KnownKey(name, key, NOW, ACTOR)], ACTOR, NOW)
    assert keys.find("good") is None


def test_a_line_is_changed_only_from_the_version_that_was_seen(
    lines: LineStore,
) -> None:
    with pytest.raises(Conflict):
        lines.put("a", b"1", ACTOR, NOW, expected=1)
    lines.put("a", b"1", ACTOR, NOW, expected=0)
    with pytest.raises(Conflict):
        lines.put("a", b"2", ACTOR, NOW, expected=0)
    assert lines.get("a").body == b"1"
    assert lines.put("a", b"2", ACTOR, NOW, expected=1).version == 2
