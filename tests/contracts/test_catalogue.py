"""Policies, manifests, assignments, EK roots, settings: on both databases."""

from dataclasses import replace

import pytest

from onboarding.store.assignments import AssignmentStore
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.ek_acceptances import EkAcceptance, EkAcceptanceStore
from onboarding.store.errors import Conflict, InvalidCursor, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.manifests import ManifestRecord, ManifestStore
from onboarding.store.policies import PolicyKind, PolicyRecord, PolicyStore
from onboarding.store.settings_rows import RVINFO, SettingStore
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    digest,
    race,
    voucher,
)


def policy(
    version: int = 1, name: str = "boards", kind: PolicyKind = PolicyKind.ATTESTATION
) -> PolicyRecord:
    """A version of a policy."""
    body = f'{{"name":"{name}","version":{version}}}'.encode()
    return PolicyRecord(name, version, kind, digest(body), body, NOW, ACTOR)


def manifest(name: str = "web", version: str = "1.0") -> ManifestRecord:
    """A version of a manifest."""
    made = digest("manifest", name, version)
    return ManifestRecord(name, version, "quadlet", made, b"signed", NOW, ACTOR)


def test_policies_keep_every_version(database: Database) -> None:
    policies = PolicyStore(database)
    assert policies.add(policy(1))
    assert policies.add(policy(2))
    assert not policies.add(policy(1))
    assert policies.get("boards") == policy(2)
    assert policies.get("boards", 1) == policy(1)
    assert policies.versions("boards") == (policy(2), policy(1))
    policies.add(policy(1, "all", PolicyKind.RELEASE))
    assert policies.newest() == (policy(1, "all", PolicyKind.RELEASE), policy(2))
    with pytest.raises(NotFound):
        policies.get("boards", 3)


def test_a_version_is_read_once_and_the_newest_each_time(database: Database) -> None:
    store = PolicyStore(database)
    for version in (1, 2):
        assert store.add(policy(version))
    first, newest = store.get("boards", 1), store.get("boards")
    database.direct.count(Sql("DELETE FROM policies"))
    assert store.get("boards", 1) is first
    assert store.get("boards", 2) is newest
    with pytest.raises(NotFound):
        store.get("boards")
    with pytest.raises(NotFound):
        PolicyStore(database).get("boards", 1)


CONFLICTS: dict[str, PolicyRecord] = {
    "another document under that version": replace(policy(1), body=b"{}"),
    "a version left out": policy(3),
    "another kind under that name": policy(2, kind=PolicyKind.RELEASE),
    "version 0": policy(0),
}


@pytest.mark.parametrize("record", CONFLICTS.values(), ids=CONFLICTS.keys())
def test_a_policy_that_contradicts_the_stored_one_is_refused(
    database: Database, record: PolicyRecord
) -> None:
    PolicyStore(database).add(policy(1))
    with pytest.raises(Conflict):
        PolicyStore(database).add(record)


def test_of_two_next_versions_at_once_one_is_stored(database: Database) -> None:
    store = PolicyStore(database)
    other = replace(policy(1), body=b'{"other":1}')
    results = race(lambda: store.add(policy(1)), lambda: store.add(other))
    assert results.count(True) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 1


def test_manifests_are_stored_once_and_paged(database: Database) -> None:
    manifests = ManifestStore(database)
    wanted = [manifest("api", "1"), manifest("api", "2"), manifest("web", "1")]
    for record in wanted:
        assert manifests.add(record)
    assert not manifests.add(wanted[0])
    first = manifests.page(limit=2)
    second = manifests.page(first.cursor, limit=2)
    assert [*first.items, *second.items] == wanted
    assert second.cursor is None
    with pytest.raises(InvalidCursor):
        manifests.page("api")
    with pytest.raises(Conflict):
        manifests.add(replace(wanted[0], digest=digest("other")))
    with pytest.raises(NotFound):
        manifests.get("api", "3")


MALFORMED: dict[str, ManifestRecord] = {
    "no name": manifest(""),
    "control characters": manifest("a\x1fb"),
    "long version": manifest("a", "1" * 200),
    "no bundle": replace(manifest(), bundle=b""),
    "over 4 MiB": replace(manifest(), bundle=bytes(4 * 1024 * 1024 + 1)),
}


@pytest.mark.parametrize("record", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_manifest_out_of_bounds_is_refused(
    database: Database, record: ManifestRecord
) -> None:
    with pytest.raises(InvalidRecord):
        ManifestStore(database).add(record)


def test_manifest_and_policy_are_assigned_apart(database: Database) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    ManifestStore(database).add(manifest())
    PolicyStore(database).add(policy())
    assignments = AssignmentStore(database)
    with pytest.raises(NotFound):
        assignments.get(GUID)
    assignments.assign_policy(GUID, "boards", 1, ACTOR, NOW)
    found = assignments.assign_manifest(GUID, "web", "1.0", ACTOR, NOW + 1)
    assert found == assignments.get(GUID)
    assert (found.manifest_name, found.policy_name) == ("web", "boards")
    assignments.clear_manifest(GUID, ACTOR, NOW + 2)
    assert assignments.get(GUID).manifest_name is None
    assert assignments.get(GUID).policy_version == 1


def test_only_what_exists_is_assigned(database: Database) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    ManifestStore(database).add(manifest())
    PolicyStore(database).add(policy(1, "all", PolicyKind.RELEASE))
    assignments = AssignmentStore(database)
    with pytest.raises(NotFound):
        assignments.assign_manifest(GUID, "web", "2", ACTOR, NOW)
    with pytest.raises(NotFound):
        assignments.assign_manifest(OTHER_GUID, "web", "1.0", ACTOR, NOW)
    with pytest.raises(NotFound):
        assignments.assign_policy(GUID, "boards", 1, ACTOR, NOW)
    with pytest.raises(InvalidRecord):
        assignments.assign_policy(GUID, "all", 1, ACTOR, NOW)


def test_an_ek_is_accepted_by_hand_once_and_no_longer(database: Database) -> None:
    accepted = EkAcceptanceStore(database)
    record = EkAcceptance(digest("ek"), "read off the board at delivery", NOW, ACTOR)
    assert not accepted.has(record.digest)
    assert accepted.add(record)
    assert not accepted.add(replace(record, reason="another reason"))
    assert accepted.has(record.digest)
    assert accepted.all() == (record,) == (accepted.get(record.digest),)
    accepted.remove(record.digest, ACTOR, NOW)
    assert not accepted.has(record.digest)
    assert accepted.all() == ()
    for gone in (accepted.get, lambda one: accepted.remove(one, ACTOR, NOW)):
        with pytest.raises(NotFound):
            gone(record.digest)
    for odd in (replace(record, digest=b"short"), replace(record, reason="")):
        with pytest.raises(InvalidRecord):
            accepted.add(odd)
    logged = EventLog(database).page().items
    assert [(one.cause, one.evidence_digest) for one in logged] == [
        ("ek_acceptance.removed", record.digest),
        ("ek_acceptance.added", record.digest),
    ]


def test_a_setting_counts_its_versions(database: Database) -> None:
    settings = SettingStore(database)
    with pytest.raises(NotFound):
        settings.get(RVINFO)
    assert settings.put(RVINFO, b"one", ACTOR, NOW).version == 1
    changed = settings.put(RVINFO, b"two", ACTOR, NOW + 1)
    assert (changed.version, changed.value) == (2, b"two")
    assert settings.get(RVINFO) == changed
    with pytest.raises(InvalidRecord):
        settings.put(RVINFO, bytes(65537), ACTOR, NOW)


def test_a_setting_changes_only_from_the_expected_version(database: Database) -> None:
    settings = SettingStore(database)
    assert settings.put(RVINFO, b"one", ACTOR, NOW, expected_version=0).version == 1
    for wrong in (0, 2):
        with pytest.raises(Conflict):
            settings.put(RVINFO, b"x", ACTOR, NOW, expected_version=wrong)
    assert settings.put(RVINFO, b"two", ACTOR, NOW, expected_version=1).version == 2
    results = race(
        *(lambda: settings.put(RVINFO, b"3", ACTOR, NOW, 2).version for _ in range(4))
    )
    assert results.count(3) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 3


def test_a_setting_that_was_cleared_was_never_set(database: Database) -> None:
    settings = SettingStore(database)
    assert not settings.clear(RVINFO, ACTOR, NOW)
    settings.put(RVINFO, b"one", ACTOR, NOW)
    settings.put(RVINFO, b"two", ACTOR, NOW)
    assert settings.clear(RVINFO, ACTOR, NOW)
    with pytest.raises(NotFound):
        settings.get(RVINFO)
    assert settings.put(RVINFO, b"one", ACTOR, NOW, expected_version=0).version == 1
    causes = [one.cause for one in EventLog(database).page(cause="setting").items]
    assert causes == ["setting.changed", "setting.cleared", *["setting.changed"] * 2]


@pytest.mark.parametrize("name", ["nul\x00", "half \ud800"], ids=["NUL", "surrogate"])
def test_text_that_no_column_can_hold_is_a_store_error(
    database: Database, name: str
) -> None:
    with pytest.raises((InvalidRecord, NotFound)):
        SettingStore(database).get(name)
    with pytest.raises((InvalidRecord, NotFound)):
        PolicyStore(database).get(name)


def test_a_number_that_no_column_can_hold_is_a_store_error(database: Database) -> None:
    with pytest.raises((InvalidRecord, NotFound)):
        PolicyStore(database).get("boards", 1 << 70)
    with pytest.raises(InvalidRecord):
        SettingStore(database).put(RVINFO, b"", ACTOR, 1 << 70)
