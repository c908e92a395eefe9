"""The commit of DI and serial numbers: the contract, on both databases."""

from dataclasses import replace

import pytest

from onboarding.store.database import Database
from onboarding.store.device_keys import DeviceKeyStore, KnownKey
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, NotFound, SerialTaken
from onboarding.store.event_log import EventLog
from onboarding.store.made import MadeDevice, MadeStore
from onboarding.store.making import Alarm, Making, SameSerial
from onboarding.store.voucher_rows import VoucherRecord
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, NOW, digest, race, voucher

FIRST, SECOND, THIRD = (bytes([number]) * 16 for number in (1, 2, 3))
SOME = Making("default", "", digest("key"), NOW, None, lambda: SameSerial.ALARM)
OTHER = replace(SOME, device_key=digest("another key"))


@pytest.fixture
def made(database: Database) -> MadeStore:
    return MadeStore(database)


def record(guid: bytes, serial: str = "SN-1", header: str = "h") -> VoucherRecord:
    return replace(voucher(guid, (), header), serial=serial)


def make(made: MadeStore, guid: bytes, how: Making = SOME, **changed: str) -> None:
    made.make(record(guid, **changed), how, ACTOR)


def standing(database: Database) -> set[bytes]:
    return {one.guid for one in VoucherStore(database).page().items}


def causes(database: Database) -> list[str]:
    return [one.cause for one in EventLog(database).page().items][::-1]


def told(made: MadeStore, guid: bytes) -> MadeDevice:
    return made.get(guid)


def test_a_device_is_on_record_with_its_line_and_station(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST, replace(SOME, line="line-2", station="bench 3"))
    (found,) = made.page(line="line-2").items
    assert (found.guid, found.serial, found.station) == (FIRST, "SN-1", "bench 3")
    assert (found.alarm, found.superseded_by) == (None, None)
    (event,) = EventLog(database).timeline(FIRST)
    assert '"line":"line-2"' in event.detail
    assert '"station":"bench 3"' in event.detail


def test_the_same_commit_again_changes_nothing(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    make(made, FIRST)
    assert causes(database) == ["voucher.stored"]


def test_another_hmac_for_the_same_run_is_refused(made: MadeStore) -> None:
    make(made, FIRST)
    with pytest.raises(Conflict, match="another voucher of this run"):
        make(made, FIRST, header="forged")


def test_the_same_device_made_anew_takes_the_place_of_its_unsold_voucher(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    make(made, SECOND, replace(SOME, opened_at=NOW + 5))
    assert standing(database) == {SECOND}
    assert told(made, FIRST).superseded_by == SECOND
    assert (made.alarms(), told(made, SECOND).alarm) == (0, None)
    assert causes(database)[1:] == ["voucher.stored", "voucher.superseded"]
    with pytest.raises(NotFound):
        VoucherStore(database).get(FIRST)


def test_a_superseded_run_is_still_answered_and_brings_nothing_back(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    make(made, SECOND, replace(SOME, opened_at=NOW + 5))
    make(made, FIRST)
    assert standing(database) == {SECOND}


def test_a_run_is_void_once_a_later_one_of_its_device_has_ended(
    made: MadeStore, database: Database
) -> None:
    make(made, SECOND, replace(SOME, opened_at=NOW + 5))
    with pytest.raises(Conflict, match="initialised again since"):
        make(made, FIRST)
    assert standing(database) == {SECOND}


def test_a_voucher_that_was_handed_on_is_never_replaced(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    sold = replace(voucher(FIRST, ("buyer",), "h"), serial="SN-1")
    VoucherStore(database).add(sold, ACTOR)
    make(made, SECOND, replace(SOME, opened_at=NOW + 5))
    assert standing(database) == {FIRST, SECOND}
    assert told(made, SECOND).alarm == Alarm.HANDED_ON
    assert VoucherStore(database).get(FIRST).cbor == sold.cbor


def test_a_voucher_whose_device_is_owned_is_never_replaced(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    database.direct.count(Sql("UPDATE devices SET owned_at = 1"))
    make(made, SECOND)
    assert standing(database) == {FIRST, SECOND}
    assert told(made, SECOND).alarm == Alarm.HANDED_ON


def test_another_device_of_a_serial_number_raises_an_alarm(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    make(made, SECOND, OTHER)
    assert standing(database) == {FIRST, SECOND}
    (found,) = made.page(alarms=True).items
    assert (found.guid, found.alarm) == (SECOND, Alarm.ANOTHER_KEY)
    assert made.alarms() == 1
    (event, *_) = EventLog(database).page(cause="serial.alarm").items
    assert FIRST.hex() in event.detail
    assert '"alarm":"another-key"' in event.detail


def test_the_same_device_on_another_line_is_replaced_and_raises_an_alarm(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    make(made, SECOND, replace(SOME, line="line-2"))
    assert standing(database) == {SECOND}
    assert told(made, SECOND).alarm == Alarm.ANOTHER_LINE


def test_a_line_may_refuse_a_serial_number_that_is_taken(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    with pytest.raises(SerialTaken, match=FIRST.hex()):
        make(made, SECOND, replace(OTHER, same_serial=lambda: SameSerial.REFUSE))
    with pytest.raises(SerialTaken):
        made.refuse_taken("SN-1", OTHER.device_key)
    made.refuse_taken("SN-1", SOME.device_key)
    made.refuse_taken("SN-2", OTHER.device_key)
    assert standing(database) == {FIRST}
    assert causes(database) == ["voucher.stored"]


def test_a_line_may_be_trusted_to_make_a_device_with_new_keys(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    make(made, SECOND, replace(OTHER, same_serial=lambda: SameSerial.SUPERSEDE))
    assert standing(database) == {SECOND}
    assert made.alarms() == 0


def test_that_trust_ends_where_a_voucher_was_handed_on(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    sold = replace(voucher(FIRST, ("buyer",), "h"), serial="SN-1")
    VoucherStore(database).add(sold, ACTOR)
    make(made, SECOND, replace(OTHER, same_serial=lambda: SameSerial.SUPERSEDE))
    assert told(made, SECOND).alarm == Alarm.ANOTHER_KEY
    assert standing(database) == {FIRST, SECOND}


def test_a_device_that_was_deleted_is_in_nobodys_way(
    made: MadeStore, database: Database
) -> None:
    make(made, FIRST)
    VoucherStore(database).delete(FIRST, ACTOR, NOW)
    make(made, SECOND, OTHER)
    assert made.alarms() == 0


def test_what_was_settled_raises_no_alarm_any_more(made: MadeStore) -> None:
    make(made, FIRST)
    make(made, SECOND, OTHER)
    assert made.settle("SN-1", ACTOR, NOW) == 2
    assert made.alarms() == 0
    make(made, THIRD, replace(SOME, device_key=digest("a third")))
    assert told(made, THIRD).alarm is None
    with pytest.raises(NotFound):
        made.settle("SN-7", ACTOR, NOW)


def test_devices_without_a_serial_number_are_told_apart_by_nothing(
    made: MadeStore,
) -> None:
    make(made, FIRST, serial="")
    make(made, SECOND, OTHER, serial="")
    assert made.alarms() == 0


def test_of_two_that_bring_one_serial_number_at_once_one_raises_the_alarm(
    database: Database,
) -> None:
    made = MadeStore(database)
    done = race(lambda: make(made, FIRST), lambda: make(made, SECOND, OTHER))
    assert done == [None, None]
    assert made.alarms() == 1


def test_a_known_key_is_used_by_one_device(made: MadeStore, database: Database) -> None:
    keys = DeviceKeyStore(database)
    keys.put([KnownKey("SN-1", b"a key", NOW, ACTOR)], ACTOR, NOW)
    assert keys.find("SN-1") == b"a key"
    named = replace(SOME, known_as="SN-1")
    make(made, FIRST, named)
    assert keys.find("SN-1") is None
    with pytest.raises(Conflict, match="used already"):
        make(made, SECOND, named)
    assert standing(database) == {FIRST}
    (found,) = keys.page().items
    assert (found.used_by, found.used_at) == (FIRST, NOW)


def test_a_device_that_proved_nothing_supersedes_nothing(
    made: MadeStore, database: Database
) -> None:
    keys = DeviceKeyStore(database)
    for guid in (FIRST, SECOND):
        keys.put([KnownKey("SN-1", b"a key", NOW, ACTOR)], ACTOR, NOW)
        make(made, guid, replace(SOME, known_as="SN-1"))
    assert standing(database) == {FIRST, SECOND}
    assert told(made, SECOND).alarm == Alarm.ANOTHER_KEY


def test_the_list_is_paged_with_the_newest_first(made: MadeStore) -> None:
    guids = [bytes([number]) * 16 for number in range(1, 8)]
    for at, guid in enumerate(guids):
        one = replace(record(guid, f"SN-{at}"), added_at=NOW + at // 2)
        made.make(one, SOME, ACTOR)
    seen: list[bytes] = []
    cursor = None
    while True:
        page = made.page(cursor, 3)
        seen += [one.guid for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == len(guids) == len(set(seen))
    times = [made.get(guid).made_at for guid in seen]
    assert times == sorted(times, reverse=True)


def test_what_is_unsold_is_listed_by_line_and_what_its_buyer_has_already(
    made: MadeStore, database: Database
) -> None:
    other = replace(OTHER, line="line-2")
    for guid, serial in ((FIRST, "SN-1"), (SECOND, "SN-2")):
        make(made, guid, serial=serial)
    make(made, THIRD, other, serial="SN-3")
    sold = replace(voucher(SECOND, ("buyer",), "h"), serial="SN-2")
    VoucherStore(database).add(sold, ACTOR)
    buyer = sold.key_fingerprint

    def unsold(line: str | None, to: str) -> list[bytes]:
        first = made.unsold(None, 1, line, to)
        found = list(first.items)
        cursor = first.cursor
        while cursor is not None:
            page = made.unsold(cursor, 1, line, to)
            found += page.items
            cursor = page.cursor
        return found

    assert unsold("default", "somebody else") == [FIRST]
    assert unsold("default", buyer) == [FIRST, SECOND]
    assert unsold(None, "somebody else") == [FIRST, THIRD]
    assert unsold("line-9", buyer) == []
