"""Endorsement keys refused by hand, on both databases."""

import pytest

from onboarding.store.database import Database
from onboarding.store.ek_refusals import EkRefusal, EkRefusalStore
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from tests.support.store_records import ACTOR, NOW, digest

LOST = EkRefusal(digest("ek"), "lost", NOW, ACTOR)


def test_a_key_is_refused_once_and_no_longer(database: Database) -> None:
    refusals = EkRefusalStore(database)
    assert refusals.add(LOST)
    assert not refusals.add(LOST)
    assert refusals.has(LOST.digest)
    assert refusals.all() == (LOST,)
    refusals.remove(LOST.digest, ACTOR, NOW)
    assert not refusals.has(LOST.digest)
    with pytest.raises(NotFound):
        refusals.remove(LOST.digest, ACTOR, NOW)
    causes = [one.cause for one in EventLog(database).page().items]
    assert causes == ["ek_refusal.removed", "ek_refusal.added"]


@pytest.mark.parametrize(
    "record",
    [EkRefusal(b"short", "lost", NOW, ACTOR), EkRefusal(digest("ek"), "", NOW, ACTOR)],
    ids=["no digest", "no reason"],
)
def test_what_says_nothing_is_no_refusal(database: Database, record: EkRefusal) -> None:
    with pytest.raises(InvalidRecord):
        EkRefusalStore(database).add(record)
