"""What a security team asks of all devices: the contract, on both databases."""

import pytest

from onboarding.store.appraisals import AppraisalStore, Outcome
from onboarding.store.database import Database
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import InvalidCursor
from onboarding.store.overview import ClassCount, OverviewStore
from onboarding.store.state import DeviceState
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    NOW,
    appraisal,
    bound_device,
    enrolled_device,
    voucher,
)

# Their place in the list, not their GUIDs, is what they are named by.
NEVER, OLD, FAILED, LATE, GOOD, GONE = (bytes([n]) * 16 for n in (9, 8, 7, 6, 5, 4))
LATER = NOW + 5000


@pytest.fixture
def overview(database: Database) -> OverviewStore:
    VoucherStore(database).add(voucher(bytes(16)), ACTOR)  # not ours yet
    bound_device(database, NEVER, "never")
    for guid in (OLD, FAILED, LATE, GOOD, GONE):
        enrolled_device(database, guid, guid.hex())
    appraisals, devices = AppraisalStore(database), DeviceStore(database)
    for name, guid, outcome, at in (
        ("old", OLD, Outcome.PASSED, NOW + 10),
        ("failed", FAILED, Outcome.FAILED, NOW + 20),
        ("late", LATE, Outcome.PASSED, NOW + 20),
        ("good", GOOD, Outcome.PASSED, LATER),
    ):
        appraisals.add(appraisal(name, outcome, at, guid), ACTOR)
    devices.retire(GONE, "sold", ACTOR, NOW)
    devices.freeze(GOOD, True, "odd", ACTOR, NOW)
    devices.freeze(GONE, True, "odd", ACTOR, NOW)
    return OverviewStore(database)


def test_what_is_not_attested_comes_stalest_first(overview: OverviewStore) -> None:
    found = overview.unattested(LATER).items
    assert [one.guid for one in found] == [NEVER, OLD, LATE, FAILED]
    assert [one.state(LATER) for one in found] == [
        DeviceState.BOUND,
        DeviceState.STALE,
        DeviceState.STALE,
        DeviceState.FAILED,
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_its_pages_are_the_whole_list(overview: OverviewStore, limit: int) -> None:
    found: list[bytes] = []
    cursor: str | None = None
    while True:
        page = overview.unattested(LATER, cursor, limit)
        assert len(page.items) <= limit
        found += [one.guid for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [NEVER, OLD, LATE, FAILED]


@pytest.mark.parametrize("cursor", ["x", "1:", "1:xyz", ":00", "-1:00"])
def test_a_cursor_that_is_not_ours_is_refused(
    overview: OverviewStore, cursor: str
) -> None:
    with pytest.raises(InvalidCursor):
        overview.unattested(LATER, cursor)


def test_only_live_devices_of_ours_are_counted(overview: OverviewStore) -> None:
    found = overview.overview()
    assert (found.owned, found.unbound, found.frozen, found.unproven) == (5, 0, 1, 0)
    assert found.classes == (ClassCount("vendor-trusted", "tpm-bound", 5),)
