"""Taking ownership: the contract, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from onboarding.store.assignments import AssignmentStore
from onboarding.store.bindings import BindingStore
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import (
    EkInUse,
    InvalidRecord,
    NotFound,
    OlderVoucher,
)
from onboarding.store.event_log import EventLog
from onboarding.store.events import Event
from onboarding.store.manifests import ManifestRecord, ManifestStore
from onboarding.store.releases import ReleaseRecord, ReleaseState, ReleaseStore
from onboarding.store.state import DeviceState
from onboarding.store.tasks import TaskStore
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    binding,
    digest,
    enrolled_device,
    race,
    voucher,
)

SECOND, THIRD, FOURTH = (bytes([n]) * 16 for n in (2, 3, 4))


@pytest.fixture
def vouchers(database: Database) -> VoucherStore:
    store = VoucherStore(database)
    store.add(voucher(passport=b"passport"), ACTOR)
    return store


def take(vouchers: VoucherStore, old: bytes, new: bytes | None, at: int = NOW) -> bool:
    """One TO2 in which the device came as ``old`` and left as ``new``."""
    replacement = None if new is None else voucher(new, owners=())
    run = digest("run", old, new, at)[:16]
    return vouchers.take_ownership(
        old, replacement, b"devmod", b"results", at, run_id=run
    )


def test_taking_ownership_makes_the_device_owned(
    vouchers: VoucherStore, database: Database
) -> None:
    assert take(vouchers, GUID, SECOND)
    device = DeviceStore(database).get(SECOND)
    assert device.state(NOW) is DeviceState.OWNED
    assert (device.guid, device.previous_guid) == (SECOND, GUID)
    assert (device.devmod, device.module_results) == (b"devmod", b"results")


def test_a_device_is_found_by_every_guid_it_had(
    vouchers: VoucherStore, database: Database
) -> None:
    take(vouchers, GUID, SECOND)
    take(vouchers, SECOND, THIRD, NOW + 1)
    devices = DeviceStore(database)
    assert {devices.get(guid).guid for guid in (GUID, SECOND, THIRD)} == {THIRD}
    timeline = EventLog(database).timeline(GUID)
    assert [event.cause for event in timeline] == [
        "voucher.stored",
        "ownership.taken",
        "ownership.taken",
    ]
    assert EventLog(database).timeline(THIRD) == timeline


def test_the_passport_goes_with_the_device(vouchers: VoucherStore) -> None:
    take(vouchers, GUID, SECOND)
    assert vouchers.get(SECOND).passport == b"passport"


def test_the_same_run_again_changes_nothing(
    vouchers: VoucherStore, database: Database
) -> None:
    assert take(vouchers, GUID, SECOND)
    before = (DeviceStore(database).get(GUID), EventLog(database).timeline(GUID))
    assert not take(vouchers, GUID, SECOND)
    after = (DeviceStore(database).get(GUID), EventLog(database).timeline(GUID))
    assert after == before


def test_of_many_that_commit_one_run_at_once_exactly_one_does(
    vouchers: VoucherStore, database: Database
) -> None:
    results = race(*(lambda: take(vouchers, GUID, SECOND) for _ in range(4)))
    assert sorted(map(bool, results)) == [False, False, False, True]
    assert not [r for r in results if isinstance(r, Exception)]
    EventLog(database).verify_chain()


def test_a_reused_credential_keeps_voucher_and_guid(
    vouchers: VoucherStore, database: Database
) -> None:
    stored = vouchers.get(GUID)
    assert take(vouchers, GUID, None)
    assert take(vouchers, GUID, None, NOW + 1)
    assert vouchers.get(GUID) == replace(stored, known_key=stored.key_fingerprint)
    assert DeviceStore(database).get(GUID).facts.owned_at == NOW + 1


def test_the_replaced_voucher_and_the_one_before_it_are_served(
    vouchers: VoucherStore,
) -> None:
    take(vouchers, GUID, SECOND)
    take(vouchers, SECOND, THIRD, NOW + 1)
    assert vouchers.get(GUID).superseded
    assert vouchers.get(SECOND).superseded
    assert not vouchers.get(THIRD).superseded
    take(vouchers, THIRD, FOURTH, NOW + 2)
    with pytest.raises(NotFound):
        vouchers.get(GUID)


def test_a_confirmed_credential_ends_the_older_ones(vouchers: VoucherStore) -> None:
    take(vouchers, GUID, SECOND)
    assert vouchers.confirm(SECOND)
    assert not vouchers.confirm(SECOND)
    with pytest.raises(NotFound):
        vouchers.get(GUID)


def test_a_device_that_missed_every_last_message_is_never_locked_out(
    vouchers: VoucherStore, database: Database
) -> None:
    for number in range(5):
        new = bytes([100 + number]) * 16
        assert take(vouchers, GUID, new, NOW + number)
        assert vouchers.get(GUID).superseded
        assert DeviceStore(database).get(GUID).guid == new


def test_a_device_that_falls_back_and_reuses_has_its_old_guid_again(
    vouchers: VoucherStore, database: Database
) -> None:
    old = vouchers.get(GUID)
    take(vouchers, GUID, SECOND)
    assert take(vouchers, GUID, None, NOW + 1)
    assert vouchers.get(GUID) == replace(old, known_key=old.key_fingerprint)
    assert vouchers.get(SECOND).superseded
    assert DeviceStore(database).get(SECOND).guid == GUID


def test_an_onboarded_device_is_not_imported_again_under_its_old_guid(
    vouchers: VoucherStore,
) -> None:
    take(vouchers, GUID, SECOND)
    with pytest.raises(OlderVoucher, match="new GUID"):
        vouchers.add(voucher(), ACTOR)


def test_a_replacement_needs_a_guid_of_its_own(
    vouchers: VoucherStore, database: Database
) -> None:
    with pytest.raises(InvalidRecord):
        take(vouchers, GUID, GUID)
    vouchers.add(voucher(OTHER_GUID), ACTOR)
    with pytest.raises(InvalidRecord):
        take(vouchers, GUID, OTHER_GUID)
    assert DeviceStore(database).get(GUID).facts.owned_at is None


def test_a_stranger_cannot_be_taken(vouchers: VoucherStore) -> None:
    with pytest.raises(NotFound):
        take(vouchers, OTHER_GUID, SECOND)


def test_a_binding_is_part_of_the_same_commit(
    vouchers: VoucherStore, database: Database
) -> None:
    new = voucher(SECOND, owners=())
    bound = binding(GUID)
    vouchers.take_ownership(GUID, new, b"", b"", NOW + 5, run_id=b"run", binding=bound)
    expected = replace(bound, guid=SECOND, bound_at=NOW + 5)
    assert BindingStore(database).get(SECOND) == expected
    assert DeviceStore(database).get(SECOND).state(NOW + 5) is DeviceState.BOUND


def test_one_tpm_is_not_bound_to_two_live_devices(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(OTHER_GUID), ACTOR)
    _take_bound(vouchers, GUID, SECOND)
    with pytest.raises(EkInUse) as refused:
        _take_bound(vouchers, OTHER_GUID, THIRD)
    assert refused.value.guids == (SECOND,)
    assert DeviceStore(database).get(OTHER_GUID).facts.owned_at is None
    DeviceStore(database).retire(SECOND, "scrapped", ACTOR, NOW + 1)
    assert _take_bound(vouchers, OTHER_GUID, THIRD)


def test_of_two_racing_takers_with_one_tpm_one_wins(
    vouchers: VoucherStore, database: Database
) -> None:
    vouchers.add(voucher(OTHER_GUID), ACTOR)

    def taker(old: bytes, new: bytes) -> bool:
        try:
            return _take_bound(VoucherStore(database), old, new)
        except EkInUse:
            return False

    won = race(lambda: taker(GUID, SECOND), lambda: taker(OTHER_GUID, THIRD))
    assert won.count(True) == 1
    assert won.count(False) == 1


def test_what_else_the_run_tells_is_part_of_the_same_commit(
    vouchers: VoucherStore, database: Database
) -> None:
    TaskStore(database).enqueue("to0", GUID.hex(), NOW)
    told = Event("binding.absent", ACTOR, NOW, GUID, None, {"why": "no TPM"})
    vouchers.take_ownership(
        GUID,
        voucher(SECOND, owners=()),
        b"",
        b"",
        NOW,
        run_id=b"run",
        also=(told,),
        ends=("to0", GUID.hex()),
    )
    last = EventLog(database).timeline(SECOND)[-2:]
    assert [event.cause for event in last] == ["ownership.taken", "binding.absent"]
    assert [event.guid for event in last] == [SECOND, SECOND]
    assert TaskStore(database).pending("to0") == ()


def _take_bound(vouchers: VoucherStore, old: bytes, new: bytes) -> bool:
    return vouchers.take_ownership(
        old,
        voucher(new, owners=()),
        b"",
        b"",
        NOW,
        run_id=digest("run", old, new)[:16],
        binding=binding(old),
    )


def test_taking_again_without_a_binding_drops_the_old_one(database: Database) -> None:
    enrolled_device(database)
    take(VoucherStore(database), GUID, SECOND, NOW + 1)
    with pytest.raises(NotFound):
        BindingStore(database).get(SECOND)
    assert DeviceStore(database).get(SECOND).state(NOW + 1) is DeviceState.OWNED


def test_the_assignment_follows_the_device_and_its_releases_end(
    database: Database,
) -> None:
    enrolled_device(database)
    manifest = ManifestRecord("web", "1", "quadlet", digest("m"), b"b", NOW, ACTOR)
    ManifestStore(database).add(manifest)
    AssignmentStore(database).assign_manifest(GUID, "web", "1", ACTOR, NOW)
    grant = ReleaseRecord("d1", GUID, digest("m"), digest("t"), NOW)
    ReleaseStore(database).grant(grant, ACTOR)
    take(VoucherStore(database), GUID, SECOND, NOW + 1)
    assert AssignmentStore(database).get(SECOND).manifest_name == "web"
    assert ReleaseStore(database).get("d1").state is ReleaseState.SUPERSEDED
