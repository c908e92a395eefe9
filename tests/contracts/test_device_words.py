"""What devices are looked for by is what they have now, on both databases."""

from onboarding.store.database import Database
from onboarding.store.device_filter import DeviceFilter
from onboarding.store.device_tables import DeviceRow
from onboarding.store.devices import DeviceStore
from onboarding.store.direct import Sql
from onboarding.store.events import Event
from tests.support.store_records import ACTOR, NOW

GUID = bytes(15) + b"\1"
_WORDS = Sql("SELECT words FROM device_words")


def put(database: Database) -> DeviceStore:
    row = DeviceRow(
        device=GUID, guid=GUID, serial="SBC-0001", device_info="Board", imported_at=NOW
    )
    with database.transaction() as writing:
        writing.session.add(row)
    return DeviceStore(database)


def found(devices: DeviceStore, text: str) -> int:
    return len(devices.page(NOW, matching=DeviceFilter(text=text)).items)


def test_a_device_is_found_by_the_words_that_it_has_now(database: Database) -> None:
    devices = put(database)
    database.direct.count(Sql("INSERT INTO device_guids VALUES (?, ?)"), (GUID, GUID))
    devices.describe(GUID, ACTOR, NOW, profile="Generic-x")
    assert (found(devices, "GENERIC"), found(devices, "c-0001")) == (1, 1)
    devices.describe(GUID, ACTOR, NOW, profile="other")
    assert (found(devices, "generic"), found(devices, "other")) == (0, 1)
    database.direct.count(Sql("UPDATE devices SET device = ?"), (bytes(16),))
    assert found(devices, "board") == 1


def test_devices_from_before_there_were_words_are_found(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    put(database)
    database.downgrade("0032", Event("database.downgraded", ACTOR, NOW))
    database.migrate()
    assert found(DeviceStore(database), "board") == 1
    database.close()


def test_words_go_with_their_device_on_postgresql(postgres_url: str) -> None:
    database = Database(postgres_url)
    put(database)
    assert database.direct.rows(_WORDS) == [("sbc-0001\nboard\n",)]
    database.direct.count(Sql("DELETE FROM devices"))
    assert database.direct.rows(_WORDS) == []
    database.close()
