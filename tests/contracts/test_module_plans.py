"""ServiceInfo plans, who is given which, and their files: on both databases."""

import hashlib

import pytest

from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.module_files import MAX_FILE, ModuleFileStore
from onboarding.store.module_plans import ModulePlanStore, PlanRecord
from onboarding.store.plan_rules import PlanChoice, PlanRule, PlanRuleStore
from onboarding.store.seen import Seen
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import ACTOR, GUID, NOW, OTHER_GUID, digest, voucher


def plan(version: int = 1, name: str = "base", body: bytes = b"{}") -> PlanRecord:
    return PlanRecord(name, version, digest(body), body, NOW, ACTOR)


@pytest.fixture
def rules(database: Database) -> PlanRuleStore:
    """Plans a, b and c, of which c has two versions, and a labelled device."""
    plans = ModulePlanStore(database)
    for name in ("a", "b", "c"):
        plans.add(plan(name=name))
    plans.add(plan(2, "c"))
    VoucherStore(database).add(voucher(), ACTOR)
    labels = {"site": "berlin", "rack": "7"}
    DeviceStore(database).describe(GUID, ACTOR, NOW, labels=labels)
    return PlanRuleStore(database)


def test_plans_keep_every_version(database: Database) -> None:
    plans = ModulePlanStore(database)
    assert plans.add(plan())
    assert not plans.add(plan())
    assert plans.add(plan(2, body=b"[]"))
    assert plans.get("base") == plan(2, body=b"[]")
    assert plans.get("base", 1) == plan()
    assert plans.versions("base") == (2, 1)
    plans.add(plan(name="other"))
    assert [(one.name, one.version) for one in plans.newest()] == [
        ("base", 2),
        ("other", 1),
    ]


def test_a_plan_that_does_not_follow_is_refused(database: Database) -> None:
    plans = ModulePlanStore(database)
    plans.add(plan())
    for wrong in (plan(body=b"[]"), plan(3)):
        with pytest.raises(Conflict):
            plans.add(wrong)
    for empty in (plan(2, body=b""), plan(name=""), plan(2, body=bytes(300_000))):
        with pytest.raises(InvalidRecord):
            plans.add(empty)
    for name, version in (("base", 2), ("none", None)):
        with pytest.raises(NotFound):
            plans.get(name, version)


def test_without_any_rule_a_device_is_given_nothing(rules: PlanRuleStore) -> None:
    assert rules.choose(GUID) is None


def test_the_closest_rule_wins(rules: PlanRuleStore) -> None:
    rules.set_rule(PlanRule({}, "a"), ACTOR, NOW)
    assert rules.choose(GUID) == PlanChoice("a", 1, "")
    assert rules.choose(OTHER_GUID) == PlanChoice("a", 1, "")  # unknown as it is
    rules.set_rule(PlanRule({"site": "berlin"}, "b"), ACTOR, NOW)
    assert rules.choose(GUID) == PlanChoice("b", 1, '{"site": "berlin"}')
    rules.set_rule(PlanRule({"site": "berlin", "rack": "8"}, "a"), ACTOR, NOW)
    rules.set_rule(PlanRule({"site": "paris"}, "a"), ACTOR, NOW)
    assert rules.choose(GUID) == PlanChoice("b", 1, '{"site": "berlin"}')
    rules.set_rule(PlanRule({"site": "berlin", "rack": "7"}, "c"), ACTOR, NOW)
    chosen = rules.choose(GUID)
    assert chosen is not None
    assert (chosen.plan, chosen.version) == ("c", 2)
    rules.set_device(GUID, "c", 1, ACTOR, NOW)
    assert rules.choose(GUID) == PlanChoice("c", 1, "device")
    assert len(rules.rules()[0].labels) == 2
    assert rules.rules()[-1].labels == {}


def test_what_was_set_can_be_taken_back(rules: PlanRuleStore) -> None:
    rules.set_rule(PlanRule({}, "a"), ACTOR, NOW)
    rules.set_device(GUID, "b", None, ACTOR, NOW)
    rules.set_device(GUID, None, None, ACTOR, NOW)
    assert rules.choose(GUID) == PlanChoice("a", 1, "")
    rules.drop_rule({}, ACTOR, NOW)
    assert rules.choose(GUID) is None
    with pytest.raises(NotFound):
        rules.drop_rule({}, ACTOR, NOW)


def test_a_devices_plan_follows_it_to_its_new_guid(
    database: Database, rules: PlanRuleStore
) -> None:
    rules.set_device(GUID, "b", None, ACTOR, NOW)
    new = voucher(OTHER_GUID, ("owner",), "new")
    VoucherStore(database).take_ownership(
        GUID, new, b"", b"", NOW, run_id=b"run", credential="replaced"
    )
    for guid in (GUID, OTHER_GUID):
        assert rules.choose(guid) == PlanChoice("b", 1, "device")


def test_a_rule_for_what_is_not_there_is_refused(rules: PlanRuleStore) -> None:
    for wrong in (PlanRule({}, "none"), PlanRule({}, "a", 2)):
        with pytest.raises(NotFound):
            rules.set_rule(wrong, ACTOR, NOW)
    for guid, name in ((GUID, "none"), (OTHER_GUID, "a")):
        with pytest.raises(NotFound):
            rules.set_device(guid, name, None, ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        rules.set_rule(PlanRule({str(i): "x" for i in range(9)}, "a"), ACTOR, NOW)


def test_another_replicas_change_is_seen_when_what_was_read_is_old(
    database: Database, rules: PlanRuleStore
) -> None:
    now = [0.0]
    here = PlanRuleStore(database, lambda: now[0])
    assert here.choose(GUID) is None
    rules.set_rule(PlanRule({}, "a"), ACTOR, NOW)
    assert here.choose(GUID) is None
    now[0] += 1.0
    assert here.choose(GUID) == PlanChoice("a", 1, "")


def test_files_are_named_by_their_bytes_and_found_by_their_newest_name(
    database: Database,
) -> None:
    files = ModuleFileStore(database)
    first = files.add("app.json", b"one", ACTOR, NOW)
    second = files.add("app.json", b"two", ACTOR, NOW)
    assert first.sha256 == hashlib.sha256(b"one").digest()
    assert files.find("app.json") == second
    assert files.content(first.sha256) == (b"one", hashlib.sha384(b"one").digest())
    again = files.add("app.json", b"one", ACTOR, NOW + 1)
    assert files.find("app.json") == again == files.get(first.sha256)
    page = files.page(limit=1)
    assert len(page.items) == 1
    rest = files.page(page.cursor)
    assert {one.sha256 for one in page.items + rest.items} == {
        first.sha256,
        second.sha256,
    }
    files.remove(second.sha256, ACTOR, NOW)
    for look in (files.get, files.content):
        with pytest.raises(NotFound):
            look(second.sha256)
    with pytest.raises(NotFound):
        files.find("other")


@pytest.mark.parametrize("name", ["", "a\nb", "n" * 256])
def test_a_file_without_a_proper_name_is_refused(database: Database, name: str) -> None:
    with pytest.raises(InvalidRecord):
        ModuleFileStore(database).add(name, b"", ACTOR, NOW)


def test_a_file_that_is_too_long_is_refused(database: Database) -> None:
    with pytest.raises(InvalidRecord):
        ModuleFileStore(database).add("a", bytes(MAX_FILE + 1), ACTOR, NOW)


def test_every_change_is_an_audit_event(
    database: Database, rules: PlanRuleStore
) -> None:
    rules.set_rule(PlanRule({}, "a"), ACTOR, NOW)
    rules.drop_rule({}, ACTOR, NOW)
    rules.set_device(GUID, "a", None, ACTOR, NOW)
    file = ModuleFileStore(database).add("a", b"", ACTOR, NOW)
    ModuleFileStore(database).remove(file.sha256, ACTOR, NOW)
    causes = {one.cause for one in EventLog(database).page().items}
    assert causes >= {
        "module_plan.stored",
        "module_plan.ruled",
        "module_plan.given",
        "module_file.stored",
        "module_file.removed",
    }


def test_rules_are_changed_only_as_they_were_seen(rules: PlanRuleStore) -> None:
    one, other = PlanRule({}, "a"), PlanRule({"site": "paris"}, "b")
    rules.set_rule(one, ACTOR, NOW, Seen(()))
    with pytest.raises(Conflict):
        rules.set_rule(other, ACTOR, NOW, Seen(()))
    with pytest.raises(Conflict):
        rules.drop_rule({}, ACTOR, NOW, Seen(()))
    assert rules.rules() == (one,)
    rules.set_rule(other, ACTOR, NOW, Seen((one,)))
    rules.drop_rule({}, ACTOR, NOW, Seen((other, one)))
    assert rules.rules() == (other,)


def test_a_devices_own_plan_is_changed_only_as_it_was_seen(
    rules: PlanRuleStore,
) -> None:
    with pytest.raises(Conflict):
        rules.set_device(GUID, "a", None, ACTOR, NOW, Seen(("b", None)))
    rules.set_device(GUID, "a", None, ACTOR, NOW, Seen(None))
    with pytest.raises(Conflict):
        rules.set_device(GUID, "b", None, ACTOR, NOW, Seen(None))
    assert rules.given(GUID) == ("a", None)
    rules.set_device(GUID, None, None, ACTOR, NOW, Seen(("a", None)))
    assert rules.given(GUID) is None
