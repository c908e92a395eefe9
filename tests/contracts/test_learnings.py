"""What golden devices show, on both databases."""

from dataclasses import replace

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.learnings import LearningRecord, LearningStore
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, GUID, NOW, voucher

SHOWN = LearningRecord(GUID, 0, "", NOW + 1, "sha256", {7: "ab" * 32}, b"log")


@pytest.fixture
def learnings(database: Database) -> LearningStore:
    VoucherStore(database).add(voucher(), ACTOR)
    return LearningStore(database)


def test_a_device_shows_itself_once_for_each_time_it_is_asked(
    database: Database, learnings: LearningStore
) -> None:
    assert not learnings.wanted(GUID)
    learnings.ask(GUID, ACTOR, NOW)
    assert learnings.wanted(GUID)
    learnings.show(SHOWN, ACTOR)
    learnings.show(replace(SHOWN, boot_log=b"later"), ACTOR)
    assert not learnings.wanted(GUID)
    assert learnings.get(GUID) == replace(SHOWN, asked_at=NOW, asked_by=ACTOR)
    learnings.ask(GUID, ACTOR, NOW + 2)
    assert learnings.wanted(GUID)
    assert learnings.get(GUID).pcrs == {}
    causes = [one.cause for one in EventLog(database).page().items]
    assert causes.count("policy.learning") == 2
    assert causes.count("policy.shown") == 1


def test_what_nobody_asked_for_is_not_kept(learnings: LearningStore) -> None:
    with pytest.raises(NotFound):
        learnings.show(SHOWN, ACTOR)
    with pytest.raises(NotFound):
        learnings.get(GUID)


@pytest.mark.parametrize(
    "record",
    [
        replace(SHOWN, pcrs={}),
        replace(SHOWN, pcrs={pcr: "ab" for pcr in range(25)}),
        replace(SHOWN, boot_log=bytes(2 * 1024 * 1024 + 1)),
    ],
    ids=["no PCR", "more PCRs than there are", "a log without end"],
)
def test_what_is_shown_is_bounded(
    learnings: LearningStore, record: LearningRecord
) -> None:
    learnings.ask(GUID, ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        learnings.show(record, ACTOR)
    assert learnings.wanted(GUID)
