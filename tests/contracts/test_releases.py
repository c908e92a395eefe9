"""Releases, withdrawal and devices: the contract, on both databases."""

from collections.abc import Callable

import pytest

from onboarding.store.appraisals import AppraisalStore, Outcome
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import Conflict, InvalidCursor, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.releases import ReleaseRecord, ReleaseState, ReleaseStore
from onboarding.store.state import DeviceState, Removal
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    appraisal,
    digest,
    enrolled_device,
    race,
    voucher,
)

REPORT = digest("report")


@pytest.fixture
def devices(database: Database) -> DeviceStore:
    enrolled_device(database)
    AppraisalStore(database).add(appraisal(at=NOW), ACTOR)
    return DeviceStore(database)


@pytest.fixture
def releases(database: Database, devices: DeviceStore) -> ReleaseStore:
    assert devices.total() == 1
    return ReleaseStore(database)


def grant(name: str = "d1", guid: bytes = GUID, at: int = NOW) -> ReleaseRecord:
    """A ticket for a workload."""
    return ReleaseRecord(name, guid, digest("manifest"), digest("ticket", name), at)


def test_a_device_is_released_when_it_reports_not_when_it_may(
    releases: ReleaseStore, devices: DeviceStore
) -> None:
    releases.grant(grant(), ACTOR)
    assert devices.get(GUID).state(NOW) is DeviceState.ATTESTED
    releases.applied("d1", REPORT, ACTOR, NOW + 1)
    assert devices.get(GUID).state(NOW + 1) is DeviceState.RELEASED
    assert releases.live(GUID)[0].released_at == NOW + 1


def test_a_newer_release_supersedes_the_one_before(releases: ReleaseStore) -> None:
    for name in ("d1", "d2"):
        releases.grant(grant(name), ACTOR)
        releases.applied(name, REPORT, ACTOR, NOW)
    assert [record.decision_id for record in releases.live(GUID)] == ["d2"]
    assert releases.get("d1").state is ReleaseState.SUPERSEDED


def test_withdrawal_takes_back_granted_tickets_too(
    releases: ReleaseStore, devices: DeviceStore
) -> None:
    releases.grant(grant("d1"), ACTOR)
    releases.applied("d1", REPORT, ACTOR, NOW)
    releases.grant(grant("d2"), ACTOR)
    taken = releases.withdraw(GUID, "PCR 16 failed", ACTOR, NOW + 5)
    assert {record.decision_id for record in taken} == {"d1", "d2"}
    assert releases.live(GUID) == ()
    assert devices.get(GUID).state(NOW + 5) is DeviceState.WITHDRAWN
    assert devices.get(GUID).removal is None
    assert releases.withdraw(GUID, "again", ACTOR, NOW + 6) == ()
    assert releases.get("d1").cause == "PCR 16 failed"


def test_what_was_withdrawn_cannot_be_reported_as_applied(
    releases: ReleaseStore, devices: DeviceStore
) -> None:
    releases.grant(grant(), ACTOR)
    releases.withdraw(GUID, "failed", ACTOR, NOW)
    with pytest.raises(Conflict):
        releases.applied("d1", REPORT, ACTOR, NOW + 1)
    assert devices.get(GUID).state(NOW + 1) is DeviceState.WITHDRAWN


def test_a_report_and_a_withdrawal_at_once_end_in_withdrawn(
    releases: ReleaseStore, devices: DeviceStore
) -> None:
    releases.grant(grant(), ACTOR)
    results = race(
        lambda: releases.applied("d1", REPORT, ACTOR, NOW),
        lambda: releases.withdraw(GUID, "failed", ACTOR, NOW),
    )
    assert all(not isinstance(r, Exception) or isinstance(r, Conflict) for r in results)
    assert releases.live(GUID) == ()
    assert devices.get(GUID).state(NOW) is DeviceState.WITHDRAWN


def test_removal_is_recorded_and_proof_is_final(
    releases: ReleaseStore, devices: DeviceStore
) -> None:
    with pytest.raises(Conflict):
        releases.removed(GUID, Removal.PROVEN, REPORT, ACTOR, NOW)
    releases.grant(grant(), ACTOR)
    releases.withdraw(GUID, "failed", ACTOR, NOW)
    for removal in (Removal.UNREACHABLE, Removal.PROVEN, Removal.UNPROVEN):
        releases.removed(GUID, removal, REPORT, ACTOR, NOW + 1)
    assert devices.get(GUID).removal is Removal.PROVEN
    assert releases.get("d1").removal is Removal.PROVEN


def test_a_withdrawn_device_stays_so_until_it_is_released_again(
    releases: ReleaseStore, devices: DeviceStore, database: Database
) -> None:
    releases.grant(grant(), ACTOR)
    AppraisalStore(database).add(appraisal("f", Outcome.FAILED, NOW + 1), ACTOR)
    releases.withdraw(GUID, "failed", ACTOR, NOW + 1)
    AppraisalStore(database).add(appraisal("p", Outcome.PASSED, NOW + 2), ACTOR)
    assert devices.get(GUID).state(NOW + 2) is DeviceState.WITHDRAWN
    releases.grant(grant("d2", at=NOW + 3), ACTOR)
    releases.applied("d2", REPORT, ACTOR, NOW + 3)
    assert devices.get(GUID).state(NOW + 3) is DeviceState.RELEASED
    assert [r.decision_id for r in releases.of_device(GUID)] == ["d2", "d1"]


def test_one_decision_has_one_release(releases: ReleaseStore) -> None:
    releases.grant(grant(), ACTOR)
    with pytest.raises(Conflict):
        releases.grant(grant(), ACTOR)


@pytest.mark.parametrize("what", ["grant", "applied", "withdraw", "removed", "get"])
def test_what_is_not_there_is_not_found(releases: ReleaseStore, what: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "grant": lambda: releases.grant(grant(guid=OTHER_GUID), ACTOR),
        "applied": lambda: releases.applied("none", REPORT, ACTOR, NOW),
        "withdraw": lambda: releases.withdraw(OTHER_GUID, "x", ACTOR, NOW),
        "removed": lambda: releases.removed(
            OTHER_GUID, Removal.PROVEN, None, ACTOR, NOW
        ),
        "get": lambda: releases.get("none"),
    }
    with pytest.raises(NotFound):
        calls[what]()


def test_each_step_of_a_device_is_one_event(
    releases: ReleaseStore, database: Database
) -> None:
    releases.grant(grant(), ACTOR)
    releases.applied("d1", REPORT, ACTOR, NOW)
    releases.withdraw(GUID, "failed", ACTOR, NOW)
    releases.removed(GUID, Removal.PROVEN, REPORT, ACTOR, NOW)
    log = EventLog(database)
    assert [event.cause for event in log.timeline(GUID)] == [
        "voucher.stored",
        "ownership.taken",
        "device.bound",
        "device.enrolled",
        "appraisal.passed",
        "release.granted",
        "release.applied",
        "release.withdrawn",
        "release.removal",
    ]
    assert log.timeline(GUID)[-1].evidence_digest == REPORT
    log.verify_chain()


def test_devices_are_paged_and_counted_by_state(
    devices: DeviceStore, database: Database
) -> None:
    for number in range(4):
        VoucherStore(database).add(voucher(bytes([200 + number]) * 16), ACTOR)
    counts = devices.counts(NOW)
    assert counts[DeviceState.IMPORTED] == 4
    assert counts[DeviceState.ATTESTED] == 1
    assert sum(counts.values()) == devices.total() == 5
    first = devices.page(NOW, limit=3, state=DeviceState.IMPORTED)
    second = devices.page(NOW, first.cursor, limit=3, state=DeviceState.IMPORTED)
    assert [d.guid[0] for d in first.items + second.items] == [200, 201, 202, 203]
    assert second.cursor is None
    assert [d.guid for d in devices.page(NOW, state=DeviceState.ATTESTED).items] == [
        GUID
    ]
    with pytest.raises(InvalidCursor):
        devices.page(NOW, "not hex")


def test_a_registration_makes_a_device_registered_until_it_ends(
    database: Database,
) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    devices = DeviceStore(database)
    devices.registered(GUID, NOW + 60, "https://rv.test", ACTOR, NOW)
    assert devices.get(GUID).state(NOW + 59) is DeviceState.REGISTERED
    assert devices.get(GUID).state(NOW + 60) is DeviceState.IMPORTED


def test_profile_labels_and_freeze_are_kept(devices: DeviceStore) -> None:
    devices.describe(GUID, ACTOR, NOW, profile="generic-sbc-tpm")
    devices.describe(GUID, ACTOR, NOW, labels={"site": "Zürich"})
    devices.freeze(GUID, True, "recall", ACTOR, NOW)
    device = devices.get(GUID)
    assert (device.profile, device.labels) == ("generic-sbc-tpm", {"site": "Zürich"})
    assert device.frozen
    devices.freeze(GUID, False, "cleared", ACTOR, NOW)
    assert not devices.get(GUID).frozen
    with pytest.raises(InvalidRecord):
        devices.describe(GUID, ACTOR, NOW, labels={"x": "y" * 5000})
    with pytest.raises(NotFound):
        devices.retire(OTHER_GUID, "unknown", ACTOR, NOW)


def test_a_device_is_bound_before_it_is_enrolled(database: Database) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    with pytest.raises(InvalidRecord):
        DeviceStore(database).enrolled(GUID, "push", ACTOR, NOW)
