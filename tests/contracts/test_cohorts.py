"""Cohorts, observations and update windows: the contract, on both databases."""

from dataclasses import replace

import pytest

from attestation.cohort import Cohort, Mode
from onboarding.store import observations
from onboarding.store.appraisals import FailureRecord, Outcome
from onboarding.store.cohorts import CohortStore
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.observations import ObservationRecord, ObservationStore
from onboarding.store.policies import PolicyKind, PolicyRecord, PolicyStore
from onboarding.store.seen import Seen
from onboarding.store.update_windows import REPORTED, UpdateWindowStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    digest,
    enrolled_device,
)

BERLIN = {"site": "berlin"}
COHORT = Cohort("berlin", BERLIN, "boot", 1)
IMAGE = digest("image")
SEEN = ObservationRecord(
    GUID, "berlin", "boot", 1, digest("boot", 1), Outcome.PASSED, ("pcr:sha256:7",),
    (), digest("evidence"), NOW,
)  # fmt: skip
FAILED = replace(
    SEEN, outcome=Outcome.FAILED, at=NOW + 1, failures=(FailureRecord("pcr", "PCR 7"),)
)


@pytest.fixture
def cohorts(database: Database) -> CohortStore:
    """Two devices, one of them in Berlin, and two versions of a policy."""
    for guid, site in ((GUID, "berlin"), (OTHER_GUID, "Berlin")):
        enrolled_device(database, guid, ek=site)
        DeviceStore(database).describe(guid, ACTOR, NOW, labels={"site": site})
    for version in (1, 2):
        _store(database, "boot", version, PolicyKind.ATTESTATION)
    _store(database, "gate", 1, PolicyKind.RELEASE)
    return CohortStore(database)


def _store(database: Database, name: str, version: int, kind: PolicyKind) -> None:
    named = digest(name, version)
    record = PolicyRecord(name, version, kind, named, b"{}", NOW, ACTOR)
    PolicyStore(database).add(record)


def causes(database: Database) -> list[str]:
    return [one.cause for one in EventLog(database).page().items]


def test_a_cohort_is_observed_and_then_enforced(
    database: Database, cohorts: CohortStore
) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    assert cohorts.every() == (COHORT,)
    done = cohorts.enforce(COHORT, ACTOR, NOW + 1)
    assert done.cohort == replace(COHORT, mode=Mode.ENFORCE)
    assert cohorts.get("berlin") == done
    assert cohorts.all() == (done,)
    assert causes(database)[:2] == ["cohort.enforced", "cohort.observed"]


def test_what_was_not_looked_at_is_not_enforced(cohorts: CohortStore) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    cohorts.observe(replace(COHORT, version=2), ACTOR, NOW)
    with pytest.raises(Conflict):
        cohorts.enforce(COHORT, ACTOR, NOW)
    cohorts.enforce(replace(COHORT, version=2), ACTOR, NOW)
    with pytest.raises(Conflict, match="enforces"):
        cohorts.observe(COHORT, ACTOR, NOW)


def test_only_attestation_policies_that_exist_are_observed(
    cohorts: CohortStore,
) -> None:
    with pytest.raises(NotFound):
        cohorts.observe(replace(COHORT, version=3), ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        cohorts.observe(replace(COHORT, policy="gate"), ACTOR, NOW)
    for ask in (cohorts.get, lambda name: cohorts.remove(name, ACTOR, NOW)):
        with pytest.raises(NotFound):
            ask("nowhere")


def test_the_last_observation_of_each_member_is_kept_and_changes_are_told(
    database: Database, cohorts: CohortStore
) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    seen = ObservationStore(database)
    for record in (SEEN, replace(SEEN, at=NOW + 1), FAILED):
        seen.put(record, ACTOR)
    assert seen.of_device(GUID) == (FAILED,)
    (member,) = seen.members(COHORT)  # "Berlin" is another place
    assert (member.guid, member.observation) == (GUID, FAILED)
    assert causes(database).count("policy.observed") == 2


def test_a_cohort_of_many_pages_is_read_whole_and_in_order(
    database: Database, cohorts: CohortStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    more = [bytes([number]) * 16 for number in range(10, 17)]
    for number, guid in enumerate(more):
        enrolled_device(database, guid, f"ek {number}")
        site = "berlin" if number % 3 else "oslo"  # some pages have few members
        DeviceStore(database).describe(guid, ACTOR, NOW, labels={"site": site})
    expected = sorted([GUID, *(g for n, g in enumerate(more) if n % 3)])
    for size in (1, 2, 3, 500):
        monkeypatch.setattr(observations, "PAGE", size)
        found = [one.guid for one in ObservationStore(database).members(COHORT)]
        assert found == expected


def test_what_was_observed_ends_with_the_cohort(
    database: Database, cohorts: CohortStore
) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    seen = ObservationStore(database)
    seen.put(SEEN, ACTOR)
    cohorts.remove("berlin", ACTOR, NOW)
    assert seen.of_device(GUID) == ()
    seen.put(SEEN, ACTOR)
    assert seen.of_device(GUID) == ()
    with pytest.raises(NotFound):
        seen.put(replace(SEEN, guid=bytes(16)), ACTOR)


def test_an_update_opens_a_window_for_each_member(
    database: Database, cohorts: CohortStore
) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    with pytest.raises(Conflict, match="does not enforce"):
        cohorts.update(COHORT, 2, IMAGE, NOW + 60, ACTOR, NOW)
    held = cohorts.enforce(COHORT, ACTOR, NOW).cohort
    with pytest.raises(NotFound):
        cohorts.update(held, 3, IMAGE, NOW + 60, ACTOR, NOW)
    assert cohorts.update(held, 2, IMAGE, NOW + 60, ACTOR, NOW) == 1
    assert cohorts.get("berlin").cohort == replace(held, version=2)
    windows = UpdateWindowStore(database)
    window = windows.find(GUID)
    assert window is not None
    assert (window.old_version, window.new_version, window.image) == (1, 2, IMAGE)
    assert windows.find(OTHER_GUID) is None
    assert windows.page(NOW).items == (window,)
    assert window.open_at(NOW + 60)
    assert not window.open_at(NOW + 61)
    assert windows.page(NOW + 61).items == ()


def test_a_window_is_closed_once_and_told(
    database: Database, cohorts: CohortStore
) -> None:
    cohorts.observe(COHORT, ACTOR, NOW)
    held = cohorts.enforce(COHORT, ACTOR, NOW).cohort
    cohorts.update(held, 2, IMAGE, NOW + 60, ACTOR, NOW)
    windows = UpdateWindowStore(database)
    assert windows.close(GUID, REPORTED, ACTOR, NOW + 5)
    assert not windows.close(GUID, REPORTED, ACTOR, NOW + 6)
    window = windows.find(GUID)
    assert window is not None
    assert (window.closed_at, window.closed_by) == (NOW + 5, REPORTED)
    assert not window.open_at(NOW + 5)
    assert windows.page(NOW + 5).items == ()
    assert causes(database)[0] == "update.closed"
    with pytest.raises(NotFound):
        windows.close(OTHER_GUID, REPORTED, ACTOR, NOW)


def test_a_cohort_is_changed_only_as_it_was_seen(cohorts: CohortStore) -> None:
    first = cohorts.observe(COHORT, ACTOR, NOW, Seen(None))
    second = replace(COHORT, version=2)
    for wrong in (Seen(None), Seen(replace(first, changed_at=NOW - 1))):
        with pytest.raises(Conflict):
            cohorts.observe(second, ACTOR, NOW, wrong)
    assert cohorts.get("berlin") == first
    assert cohorts.observe(second, ACTOR, NOW, Seen(first)).cohort == second
