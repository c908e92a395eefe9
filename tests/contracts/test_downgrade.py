"""From each revision down and up again, with rows in it, on both databases."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from onboarding.cli.app import run
from onboarding.store import schema
from onboarding.store.appraisals import AppraisalStore, Outcome
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import StoreUnavailable
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event
from onboarding.store.vouchers import VoucherStore
from tests.contracts.test_schema import differences
from tests.support.databases import NewDatabase
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    appraisal,
    binding,
    voucher,
)

EVENT = Event("database.downgraded", ACTOR, NOW)
REVISIONS = [f"{number:04}" for number in range(1, int(schema.newest()))]


@pytest.fixture(scope="module")
def full(databases: NewDatabase) -> str:
    """A migrated database with a device and its TPM in it, of either kind in turn."""
    url = databases()
    database = Database(url)
    vouchers = VoucherStore(database)
    vouchers.add(voucher(), ACTOR)
    new, run = voucher(OTHER_GUID), b"a run's own name"
    vouchers.take_ownership(
        GUID, new, b"\xa0", b"\x80", NOW, run_id=run, binding=binding()
    )
    database.close()
    return url


@pytest.fixture
def owned(full: str, copied: Callable[[str], str]) -> str:
    """A copy of it."""
    return copied(full)


@pytest.mark.parametrize("revision", REVISIONS)
def test_down_and_up_again_keeps_devices(owned: str, revision: str) -> None:
    database = Database(owned)
    database.downgrade(revision, EVENT)
    assert database.revision() == revision
    assert not database.is_current()
    database.migrate()
    assert differences(owned) == []
    EventLog(database).verify_chain()
    found = database.direct.rows(Sql("SELECT guid FROM devices"))
    assert [bytes(row[0]) for row in found] == [OTHER_GUID]
    database.close()


@pytest.mark.parametrize("revision", ["9999", "0000", "", schema.newest()])
def test_there_is_no_way_down_to_where_it_never_was(owned: str, revision: str) -> None:
    database = Database(owned)
    with pytest.raises(StoreUnavailable, match="no way leads down"):
        database.downgrade(revision, EVENT)
    assert database.is_current()
    database.close()


def test_the_command_says_what_would_be_lost_and_logs_what_it_did(
    owned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ["--database-url", owned]
    assert run(["database", "downgrade", "0022", *to]) == 2
    assert "Make a backup" in capsys.readouterr().err
    assert run(["database", "downgrade", "0022", "--lose-what-is-newer", *to]) == 0
    capsys.readouterr()
    assert run(["database", "show", "--json", *to]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"revision": "0022", "needed": schema.newest()}
    database = Database(owned)
    database.migrate()
    last = EventLog(database).verify_chain().seq
    rows = database.direct.rows(Sql("SELECT cause FROM events WHERE seq = ?"), (last,))
    database.close()
    assert rows == [("database.downgraded",)]


def test_what_was_not_checked_had_another_name_before(owned: str) -> None:
    database = Database(owned)
    bound = replace(appraisal("a1", Outcome.NOT_CHECKED), guid=OTHER_GUID)
    AppraisalStore(database).add(bound, ACTOR)
    database.downgrade("0028", EVENT)
    assert database.direct.rows(Sql("SELECT verdict FROM appraisals")) == [("error",)]
    database.migrate()
    assert AppraisalStore(database).get("a1").outcome is Outcome.NOT_CHECKED
    database.close()
