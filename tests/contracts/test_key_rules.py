"""What an operator says of keys: the contract, on SQLite and PostgreSQL."""

import pytest

from onboarding.store.database import Database
from onboarding.store.errors import Conflict, InvalidCursor, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.key_rules import Admission, Holder, KeyRuleStore, Verdict
from onboarding.store.seen import Seen
from tests.support.store_records import ACTOR, NOW, rule

OWNER, MAKER = "01" * 32, "02" * 32


@pytest.fixture
def rules(database: Database) -> KeyRuleStore:
    return KeyRuleStore(database)


def test_a_rule_comes_back_as_it_was_set_last(rules: KeyRuleStore) -> None:
    rules.put(rule(Holder.OWNER, OWNER, Verdict.DENY))
    last = rule(Holder.OWNER, OWNER, Verdict.ALLOW, 5)
    rules.put(last)
    assert rules.get(Holder.OWNER, OWNER) == last
    rules.remove(Holder.OWNER, OWNER, ACTOR, NOW)
    for missing in (
        lambda: rules.get(Holder.OWNER, OWNER),
        lambda: rules.remove(Holder.OWNER, OWNER, ACTOR, NOW),
    ):
        with pytest.raises(NotFound):
            missing()


def test_each_change_is_an_event(rules: KeyRuleStore, database: Database) -> None:
    rules.put(rule(Holder.MANUFACTURER, MAKER, Verdict.DENY))
    rules.remove(Holder.MANUFACTURER, MAKER, ACTOR, NOW)
    removed, put = EventLog(database).page(None, 2).items
    assert (put.cause, removed.cause) == ("key_rule.set", "key_rule.removed")
    assert put.evidence_digest == removed.evidence_digest == bytes.fromhex(MAKER)
    assert '"reason":"because"' in put.detail


def test_rules_are_listed_by_holder_and_in_pages(rules: KeyRuleStore) -> None:
    keys = [f"{number:064x}" for number in range(5)]
    for key in keys:
        rules.put(rule(Holder.OWNER, key, None, 7))
    rules.put(rule(Holder.MANUFACTURER, MAKER, Verdict.DENY))
    first = rules.page(Holder.OWNER, None, 3)
    second = rules.page(Holder.OWNER, first.cursor, 3)
    assert [one.fingerprint for one in (*first.items, *second.items)] == keys
    assert second.cursor is None
    assert len(rules.page(Holder.MANUFACTURER, None, 3).items) == 1
    with pytest.raises(InvalidCursor):
        rules.page(Holder.OWNER, "none of ours", 3)


def test_admission_tells_what_is_said_of_both_keys(rules: KeyRuleStore) -> None:
    assert rules.admission(MAKER, OWNER) == Admission(None, None, owners_listed=False)
    rules.put(rule(Holder.OWNER, OWNER, None, 7))
    rules.put(rule(Holder.OWNER, MAKER, Verdict.DENY))  # the same key, another role
    assert rules.admission(MAKER, OWNER) == Admission(None, None, owners_listed=False)
    rules.put(rule(Holder.MANUFACTURER, MAKER, Verdict.DENY))
    rules.put(rule(Holder.OWNER, "03" * 32, Verdict.ALLOW))
    assert rules.admission(MAKER, OWNER) == Admission(
        Verdict.DENY, None, owners_listed=True
    )
    rules.put(rule(Holder.OWNER, OWNER, Verdict.DENY))
    assert rules.admission(MAKER, OWNER).owner is Verdict.DENY


@pytest.mark.parametrize(
    ("holder", "verdict", "quota"),
    [
        (Holder.OWNER, None, None),
        (Holder.OWNER, None, -1),
        (Holder.OWNER, Verdict.ALLOW, 2**31),
        (Holder.MANUFACTURER, Verdict.ALLOW, None),
        (Holder.MANUFACTURER, Verdict.DENY, 5),
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_none(
    holder: Holder, verdict: Verdict | None, quota: int | None
) -> None:
    with pytest.raises(InvalidRecord):
        rule(holder, OWNER, verdict, quota)


def test_a_rule_is_changed_only_as_it_was_seen(
    database: Database, rules: KeyRuleStore
) -> None:
    first = rule(Holder.OWNER, OWNER, Verdict.DENY)
    other = rule(Holder.OWNER, OWNER, Verdict.ALLOW, 5)
    with pytest.raises(Conflict):
        rules.put(first, Seen(other))
    rules.put(first, Seen(None))
    for wrong in (Seen(None), Seen(other)):
        with pytest.raises(Conflict):
            rules.put(other, wrong)
    assert rules.get(Holder.OWNER, OWNER) == first
    assert len(EventLog(database).page().items) == 1  # a refused change leaves none
    rules.put(other, Seen(first))
    assert rules.get(Holder.OWNER, OWNER) == other
