"""One look at all that a device is judged by: what the stores of each part say."""

import pytest

from attestation.cohort import Cohort
from onboarding.store.assignments import AssignmentStore
from onboarding.store.bindings import BindingStore
from onboarding.store.cohorts import CohortStore
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.ek_refusals import EkRefusal, EkRefusalStore
from onboarding.store.errors import NotFound
from onboarding.store.learnings import LearningRecord, LearningStore
from onboarding.store.policies import PolicyKind, PolicyRecord, PolicyStore
from onboarding.store.standings import StandingRecord, StandingStore
from onboarding.store.update_windows import UpdateWindowStore
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    binding,
    bound_device,
    digest,
    voucher,
)

SHOWN = LearningRecord(GUID, 0, "", NOW + 1, "sha256", {7: "ab" * 32}, b"log")


@pytest.fixture
def standings(database: Database) -> StandingStore:
    """Two versions of a policy, and a device beside ours that has it all."""
    for version in (1, 2):
        named = digest("boot", version)
        kind = PolicyKind.ATTESTATION
        record = PolicyRecord("boot", version, kind, named, b"{}", NOW, ACTOR)
        PolicyStore(database).add(record)
    bound_device(database, OTHER_GUID, ek="other")
    _fill(database, OTHER_GUID, "other")
    return StandingStore(database)


def _fill(database: Database, guid: bytes, ek: str) -> None:
    """Give a bound device whatever can stand beside one."""
    AssignmentStore(database).assign_policy(guid, "boot", 1, ACTOR, NOW)
    DeviceStore(database).describe(guid, ACTOR, NOW, labels={"site": ek})
    cohorts = CohortStore(database)
    cohort = Cohort(f"c-{ek}", {"site": ek}, "boot", 1)
    cohorts.observe(cohort, ACTOR, NOW)
    held = cohorts.enforce(cohort, ACTOR, NOW).cohort
    cohorts.update(held, 2, digest("image"), NOW + 60, ACTOR, NOW)
    LearningStore(database).ask(guid, ACTOR, NOW)
    EkRefusalStore(database).add(EkRefusal(digest(ek), "stolen", NOW, ACTOR))


def test_a_device_that_was_only_imported_has_nothing_beside_it(
    database: Database, standings: StandingStore
) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    alone = StandingRecord(
        DeviceStore(database).get(GUID), None, None, None, False, False
    )
    assert standings.get(GUID) == alone


def test_a_bound_device_is_found_with_its_binding_alone(
    database: Database, standings: StandingStore
) -> None:
    bound_device(database)
    found = standings.get(GUID)
    assert found.binding == binding()
    assert (found.assignment, found.window) == (None, None)
    assert (found.refused, found.learning) == (False, False)


def test_all_that_stands_beside_a_device_is_what_each_store_says(
    database: Database, standings: StandingStore
) -> None:
    bound_device(database)
    _fill(database, GUID, "ek")
    found = standings.get(GUID)
    assert found.device == DeviceStore(database).get(GUID)
    assert found.assignment == AssignmentStore(database).get(GUID)
    assert found.binding == BindingStore(database).get(GUID)
    assert found.window is not None
    assert found.window == UpdateWindowStore(database).find(GUID)
    assert (found.refused, found.learning) == (True, True)


def test_a_device_that_has_shown_itself_is_not_asked_any_more(
    database: Database, standings: StandingStore
) -> None:
    bound_device(database)
    LearningStore(database).ask(GUID, ACTOR, NOW)
    assert standings.get(GUID).learning
    LearningStore(database).show(SHOWN, ACTOR)
    assert not standings.get(GUID).learning


def test_a_key_that_is_refused_no_more_is_not_told_as_refused(
    database: Database, standings: StandingStore
) -> None:
    bound_device(database)
    refusals = EkRefusalStore(database)
    refusals.add(EkRefusal(digest("ek"), "stolen", NOW, ACTOR))
    assert standings.get(GUID).refused
    refusals.remove(digest("ek"), ACTOR, NOW)
    assert not standings.get(GUID).refused


def test_a_guid_that_no_device_had_is_unknown(standings: StandingStore) -> None:
    with pytest.raises(NotFound):
        standings.get(GUID)
