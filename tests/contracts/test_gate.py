"""Bindings, appraisals, decisions, releases: the contract, on both databases."""

from dataclasses import replace

import pytest

from onboarding.store.appraisals import (
    AppraisalRecord,
    AppraisalStore,
    Outcome,
    new_id,
)
from onboarding.store.bindings import BindingStore
from onboarding.store.database import Database
from onboarding.store.decisions import DecisionRecord, DecisionStore, ReasonRecord
from onboarding.store.devices import DeviceStore
from onboarding.store.errors import Conflict, EkInUse, InvalidRecord, NotFound
from onboarding.store.event_log import EventLog
from onboarding.store.reports import ReportRecord, ReportStore
from onboarding.store.state import DeviceState
from onboarding.store.vouchers import VoucherStore
from tests.support.store_records import (
    ACTOR,
    GUID,
    NOW,
    OTHER_GUID,
    appraisal,
    binding,
    bound_device,
    digest,
    enrolled_device,
    voucher,
)


def state(database: Database, at: int, guid: bytes = GUID) -> DeviceState:
    """The device's state at a time."""
    return DeviceStore(database).get(guid).state(at)


def causes(database: Database) -> list[str]:
    """What the audit log says happened to the device."""
    return [event.cause for event in EventLog(database).timeline(GUID)]


def test_a_binding_comes_back_as_it_was_put(database: Database) -> None:
    bound_device(database)
    again = replace(binding(), ek_certificate=None, bound_at=NOW + 1)
    BindingStore(database).put(again, ACTOR)
    assert BindingStore(database).get(GUID) == again


def test_of_many_devices_those_that_are_bound_have_a_class(database: Database) -> None:
    bound_device(database)
    bindings = BindingStore(database)
    assert bindings.classes([GUID, bytes(16)]) == {GUID: "tpm-bound"}
    bindings.put(replace(binding(), klass="key-outside-tpm"), ACTOR)
    assert bindings.classes([GUID]) == {GUID: "key-outside-tpm"}
    assert bindings.classes([]) == {}


def test_only_an_owned_device_can_be_bound(database: Database) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    with pytest.raises(NotFound):
        BindingStore(database).put(binding(), ACTOR)
    with pytest.raises(NotFound):
        BindingStore(database).get(GUID)


def test_one_ek_under_two_live_devices_is_refused(database: Database) -> None:
    bindings = BindingStore(database)
    bound_device(database, GUID, ek="shared")
    assert bindings.others_with_ek(digest("shared"), GUID) == ()
    assert bindings.others_with_ek(digest("shared"), OTHER_GUID) == (GUID,)
    with pytest.raises(EkInUse):
        bound_device(database, OTHER_GUID, ek="shared")


def test_a_mark_stays_until_the_device_is_bound_again(database: Database) -> None:
    bindings, mark = BindingStore(database), digest("heard")
    bound_device(database)
    assert bindings.watched("evidence") == ()  # not enrolled yet
    DeviceStore(database).enrolled(GUID, "evidence", ACTOR, NOW)
    assert bindings.watched("evidence") == ((GUID, None),)
    bindings.mark(GUID, "push", mark)
    assert bindings.watched("evidence") == ((GUID, None),)
    bindings.mark(GUID, "evidence", mark)
    assert bindings.watched("evidence") == ((GUID, mark),)
    assert bindings.watched("push") == ()
    bindings.put(binding(), ACTOR)
    DeviceStore(database).enrolled(GUID, "evidence", ACTOR, NOW)
    assert bindings.watched("evidence") == ((GUID, None),)
    DeviceStore(database).retire(GUID, "scrapped", ACTOR, NOW)
    assert bindings.watched("evidence") == ()


def test_a_device_is_no_stranger_to_itself_under_a_new_guid(
    database: Database,
) -> None:
    bound_device(database)
    new = voucher(bytes(16), owners=())
    VoucherStore(database).take_ownership(
        GUID, new, b"", b"", NOW, run_id=b"r", binding=binding()
    )
    assert BindingStore(database).others_with_ek(digest("ek"), GUID) == ()
    assert BindingStore(database).others_with_ek(digest("ek"), bytes(16)) == ()


def test_a_retired_device_does_not_hold_its_ek(database: Database) -> None:
    bound_device(database)
    DeviceStore(database).retire(GUID, "scrapped", ACTOR, NOW)
    assert BindingStore(database).others_with_ek(digest("ek"), OTHER_GUID) == ()


def test_binding_again_asks_for_enrolment_and_appraisal_anew(
    database: Database,
) -> None:
    enrolled_device(database)
    AppraisalStore(database).add(appraisal(), ACTOR)
    BindingStore(database).put(replace(binding(), bound_at=NOW + 20), ACTOR)
    assert state(database, NOW + 20) is DeviceState.BOUND


def test_an_appraisal_keeps_what_was_compared(database: Database) -> None:
    enrolled_device(database)
    appraisals = AppraisalStore(database)
    failed = appraisal("a2", Outcome.FAILED, NOW + 20)
    appraisals.add(appraisal(), ACTOR)
    appraisals.add(failed, ACTOR)
    assert appraisals.get("a1") == appraisal()
    assert appraisals.latest(GUID) == failed
    assert appraisals.latest(GUID, Outcome.PASSED) == appraisal()


def test_of_appraisals_in_one_second_the_one_that_was_named_last_is_the_newest(
    database: Database,
) -> None:
    enrolled_device(database)
    appraisals = AppraisalStore(database)
    made = [appraisal(new_id(), Outcome.FAILED) for _ in range(20)]
    for one in made:
        appraisals.add(one, ACTOR)
        assert appraisals.latest(GUID) == one
    assert appraisals.page(GUID).items == tuple(reversed(made))


def test_a_lease_runs_out_by_itself(database: Database) -> None:
    enrolled_device(database)
    assert state(database, NOW) is DeviceState.ATTESTING
    AppraisalStore(database).add(appraisal(at=NOW, lease=60), ACTOR)
    assert state(database, NOW + 60) is DeviceState.ATTESTED
    assert state(database, NOW + 61) is DeviceState.STALE


def test_the_newest_verdict_counts_in_whatever_order_they_come(
    database: Database,
) -> None:
    enrolled_device(database)
    appraisals = AppraisalStore(database)
    appraisals.add(appraisal("new", Outcome.FAILED, NOW + 20), ACTOR)
    appraisals.add(appraisal("old", Outcome.PASSED, NOW + 10), ACTOR)
    assert state(database, NOW + 20) is DeviceState.FAILED


@pytest.mark.parametrize("back", [1, 3600])
def test_a_failure_counts_also_when_our_clock_was_put_back(
    database: Database, back: int
) -> None:
    enrolled_device(database)
    appraisals, passed = AppraisalStore(database), NOW + 4000
    appraisals.add(appraisal("passed", at=passed, lease=9000), ACTOR)
    later = appraisal("later", Outcome.FAILED, passed - back)
    appraisals.add(later, ACTOR)
    assert state(database, later.at) is DeviceState.FAILED
    assert state(database, passed) is DeviceState.FAILED


@pytest.mark.parametrize("first", [Outcome.PASSED, Outcome.FAILED])
def test_of_two_verdicts_in_one_second_the_failure_counts(
    database: Database, first: Outcome
) -> None:
    enrolled_device(database)
    second = Outcome.FAILED if first is Outcome.PASSED else Outcome.PASSED
    AppraisalStore(database).add(appraisal("a1", first), ACTOR)
    AppraisalStore(database).add(appraisal("a2", second), ACTOR)
    assert state(database, NOW + 10) is DeviceState.FAILED


def test_what_was_not_checked_is_kept_but_says_nothing_of_the_device(
    database: Database,
) -> None:
    enrolled_device(database)
    AppraisalStore(database).add(appraisal(), ACTOR)
    AppraisalStore(database).add(appraisal("a2", Outcome.NOT_CHECKED, NOW + 20), ACTOR)
    assert state(database, NOW + 20) is DeviceState.ATTESTED
    assert AppraisalStore(database).latest(GUID).outcome is Outcome.NOT_CHECKED


def test_a_verdict_from_before_the_binding_does_not_count(database: Database) -> None:
    enrolled_device(database)
    AppraisalStore(database).add(appraisal(at=NOW - 1), ACTOR)
    assert state(database, NOW) is DeviceState.ATTESTING


NO_PASS: dict[str, AppraisalRecord] = {
    "nothing compared": replace(appraisal(), compared=()),
    "with failures": replace(
        appraisal(), failures=appraisal("x", Outcome.FAILED).failures
    ),
    "no lease": replace(appraisal(), lease_expires=None),
    "a lease that is over": replace(appraisal(), lease_expires=NOW + 10),
}


@pytest.mark.parametrize("record", NO_PASS.values(), ids=NO_PASS.keys())
def test_what_is_no_pass_is_not_stored_as_one(
    database: Database, record: AppraisalRecord
) -> None:
    enrolled_device(database)
    with pytest.raises(InvalidRecord):
        AppraisalStore(database).add(record, ACTOR)


def test_only_a_bound_device_is_appraised(database: Database) -> None:
    VoucherStore(database).add(voucher(), ACTOR)
    with pytest.raises(NotFound):
        AppraisalStore(database).add(appraisal(), ACTOR)
    with pytest.raises(NotFound):
        AppraisalStore(database).add(appraisal(guid=OTHER_GUID), ACTOR)


def test_an_appraisal_is_stored_once(database: Database) -> None:
    enrolled_device(database)
    AppraisalStore(database).add(appraisal(), ACTOR)
    with pytest.raises(Conflict):
        AppraisalStore(database).add(appraisal(at=NOW + 30), ACTOR)


def test_passes_without_a_change_of_state_stay_out_of_the_log(
    database: Database,
) -> None:
    enrolled_device(database)
    for number in range(3):
        record = appraisal(f"a{number}", at=NOW + number)
        AppraisalStore(database).add(record, ACTOR)
    AppraisalStore(database).add(appraisal("f", Outcome.FAILED, NOW + 9), ACTOR)
    assert causes(database)[-2:] == ["appraisal.passed", "appraisal.failed"]
    assert causes(database).count("appraisal.passed") == 1


def test_appraisals_are_paged_and_pruned_but_for_the_newest(
    database: Database,
) -> None:
    enrolled_device(database)
    appraisals = AppraisalStore(database)
    for number in range(5):
        appraisals.add(appraisal(f"a{number}", at=NOW + number), ACTOR)
    first = appraisals.page(GUID, limit=3)
    second = appraisals.page(GUID, first.cursor, limit=3)
    names = [record.id for record in first.items + second.items]
    assert names == ["a4", "a3", "a2", "a1", "a0"]
    assert appraisals.prune(NOW + 1000) == 4
    assert [record.id for record in appraisals.page(GUID).items] == ["a4"]


def test_the_last_counted_appraisal_is_found_behind_any_number_of_others(
    database: Database,
) -> None:
    enrolled_device(database)
    appraisals = AppraisalStore(database)
    counted = appraisal("counted", at=NOW + 1)
    appraisals.add(counted, ACTOR)
    for number in range(3):
        bare = appraisal(f"bare {number}", Outcome.FAILED, NOW + 5 + number)
        appraisals.add(replace(bare, clock=None), ACTOR)
    assert appraisals.last_counted(GUID, NOW) == counted
    assert appraisals.prune(NOW + 1000) == 2  # neither the newest nor that one
    assert appraisals.last_counted(GUID, NOW + 1) == counted
    with pytest.raises(NotFound):
        appraisals.last_counted(GUID, NOW + 2)
    with pytest.raises(NotFound):
        appraisals.last_counted(OTHER_GUID, NOW)


def decision(name: str, allowed: bool, at: int, code: str = "fresh") -> DecisionRecord:
    """A decision with one reason."""
    reason = ReasonRecord(code, "last good appraisal is 31 min old", "attest again")
    return DecisionRecord(
        name, GUID, allowed, (reason,), b"facts", digest("p"), digest("m"), at
    )


def test_a_decision_comes_back_with_its_inputs(database: Database) -> None:
    denied = replace(decision("d1", False, NOW), manifest_digest=None)
    DecisionStore(database).add(denied, ACTOR)
    assert DecisionStore(database).get("d1") == denied
    with pytest.raises(Conflict):
        DecisionStore(database).add(denied, ACTOR)


def test_only_a_decision_that_differs_is_an_event(database: Database) -> None:
    decisions = DecisionStore(database)
    decisions.add(decision("d1", False, NOW, "stale"), ACTOR)
    decisions.add(decision("d2", False, NOW + 1, "stale"), ACTOR)
    decisions.add(decision("d3", False, NOW + 2, "failed"), ACTOR)
    decisions.add(decision("d4", True, NOW + 3), ACTOR)
    assert causes(database) == [
        "decision.denied",
        "decision.denied",
        "decision.allowed",
    ]
    page = decisions.page(limit=3)
    assert [record.id for record in page.items] == ["d4", "d3", "d2"]
    rest = decisions.page(page.cursor, guid=GUID)
    assert [record.id for record in rest.items] == ["d1"]


def test_a_device_keeps_its_decisions_under_a_new_guid(database: Database) -> None:
    bound_device(database)
    DecisionStore(database).add(decision("before", False, NOW), ACTOR)
    VoucherStore(database).take_ownership(
        GUID, voucher(OTHER_GUID), b"", b"", NOW, run_id=b"again"
    )
    later = replace(decision("after", True, NOW + 1), guid=OTHER_GUID)
    DecisionStore(database).add(later, ACTOR)
    for guid in (GUID, OTHER_GUID):
        found = DecisionStore(database).page(guid=guid).items
        assert [record.id for record in found] == ["after", "before"]


def test_a_report_is_kept_once_as_it_was_signed(database: Database) -> None:
    report = ReportRecord(GUID, "removal", b"\xd2signed", NOW)
    assert ReportStore(database).add(report)
    assert not ReportStore(database).add(report)
    assert ReportStore(database).of_device(GUID) == (report,)
    with pytest.raises(InvalidRecord):
        ReportStore(database).add(replace(report, body=b""))
