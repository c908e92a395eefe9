"""The gate: what opens it, what shuts it, and what becomes of what was let out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.manifest import open_bundle
from attestation.ticket import open_ticket
from attestation.withdrawal import (
    DeviceReport,
    RemovalOrder,
    RemovalReport,
    WorkloadStatus,
    open_order,
    sign_removal_report,
    sign_report,
)
from onboarding.services.errors import Problem
from onboarding.services.withdrawing import Withdrawals
from onboarding.store.errors import Conflict
from tests.support.databases import NewDatabase
from tests.support.owner_bench import FILES, OwnerBench, binding_of, owner_bench

PATHS = tuple(path for path, _ in FILES)


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases=databases) as made:
        yield made


def state(bench: OwnerBench) -> str:
    device = bench.context.stores.devices.get(bench.guid.raw)
    return device.state(bench.context.now()).value


def denial(bench: OwnerBench) -> Problem:
    with pytest.raises(Problem) as refused:
        bench.ask()
    assert refused.value.code == "release-denied"
    return refused.value


def codes(problem: Problem) -> list[str]:
    reasons = problem.extra["reasons"]
    assert isinstance(reasons, list)
    return [one["code"] for one in reasons]


def released(bench: OwnerBench) -> str:
    """Assign, appraise, fetch and report; return the manifest's digest."""
    digest = bench.assign()
    bench.appraise()
    bench.ask()
    bench.report(applied(bench, digest))
    assert state(bench) == "released"
    return digest


def applied(bench: OwnerBench, digest: str, status: str = "applied") -> bytes:
    at = bench.context.now()
    report = DeviceReport(bench.guid, digest, WorkloadStatus(status), PATHS, "", at)
    return sign_report(report, bench.device)


def ordered(bench: OwnerBench) -> RemovalOrder:
    order = bench.ask()["removal_order"]
    assert isinstance(order, bytes)
    return open_order(order, bench.owner.public_key, guid=bench.guid)


def removed(
    bench: OwnerBench, order: RemovalOrder, left: tuple[str, ...] = ()
) -> bytes:
    gone = tuple(path for path in PATHS if path not in left)
    report = RemovalReport(
        bench.guid,
        order.manifest_digest,
        order.nonce,
        gone,
        left,
        bench.context.now(),
    )
    return sign_removal_report(report, bench.device)


def failed(bench: OwnerBench) -> RemovalOrder:
    """A released device fails an appraisal a minute later."""
    bench.clock.now += 60
    bench.appraise(good=False)
    return ordered(bench)


def test_an_appraised_device_gets_ticket_and_bundle_of_its_owner(
    bench: OwnerBench,
) -> None:
    digest = bench.assign()
    bench.appraise()
    answer = bench.ask()
    key, now = bench.owner.public_key, bench.context.now()
    ticket, bundle = answer["ticket"], answer["bundle"]
    assert isinstance(ticket, bytes)
    assert isinstance(bundle, bytes)
    found = open_ticket(ticket, key, guid=bench.guid, manifest_digest=digest, now=now)
    assert found.expires <= now + bench.context.settings.release_ticket_seconds
    assert open_bundle(bundle, key, digest).manifest.files == FILES
    bench.report(applied(bench, digest))
    assert state(bench) == "released"


def test_a_device_that_never_attested_is_denied_with_every_reason(
    bench: OwnerBench,
) -> None:
    problem = denial(bench)
    assert {"never-appraised", "nothing-assigned"} <= set(codes(problem))
    assert problem.extra["age_seconds"] is None
    decisions = bench.context.stores.decisions.page(guid=bench.guid.raw).items
    assert [one.id for one in decisions] == [problem.extra["decision"]]


def test_what_was_not_checked_is_no_pass_and_the_denial_says_so(
    bench: OwnerBench,
) -> None:
    bench.assign()
    bench.look_at_nothing()
    denied = denial(bench)
    assert codes(denied) == ["appraisal-not-checked", "compared-too-little"]
    assert "not checked: nothing was compared" in repr(denied.extra["reasons"])
    assert state(bench) == "attesting"
    bench.appraise()
    bench.look_at_nothing()
    assert "ticket" in bench.ask()


def test_a_denial_says_how_old_the_last_appraisal_is(bench: OwnerBench) -> None:
    bench.assign()
    bench.appraise()
    bench.clock.now += 601
    problem = denial(bench)
    assert codes(problem) == ["appraisal-stale"]
    assert (problem.extra["age_seconds"], problem.extra["limit_seconds"]) == (601, 600)


def test_a_device_that_is_not_bound_gets_nothing_gated(
    tmp_path: Path, databases: NewDatabase
) -> None:
    with owner_bench(tmp_path, bound=False, databases=databases) as bench:
        bench.assign()
        assert {"ek-not-judged", "not-bound"} <= set(codes(denial(bench)))


def test_what_another_key_quoted_does_not_open_the_gate(bench: OwnerBench) -> None:
    released(bench)
    bench.clock.now += 1
    record = binding_of(bench.guid.raw)
    bench.context.stores.bindings.put(record, "test")
    assert "never-appraised" in codes(denial(bench))


def test_an_unchanged_release_is_not_granted_again(bench: OwnerBench) -> None:
    digest = released(bench)
    before = bench.context.stores.releases.of_device(bench.guid.raw)
    answer = bench.ask(installed=bytes.fromhex(digest))
    assert answer == {"unchanged": True, "manifest_digest": bytes.fromhex(digest)}
    assert bench.context.stores.releases.of_device(bench.guid.raw) == before


def test_a_newer_manifest_is_given_to_a_device_that_runs_the_old_one(
    bench: OwnerBench,
) -> None:
    digest = released(bench)
    newer = bench.assign(version=2)
    answer = bench.ask(installed=bytes.fromhex(digest))
    assert "ticket" in answer
    bench.report(applied(bench, newer))
    (live,) = bench.context.stores.releases.live(bench.guid.raw)
    assert live.manifest_digest.hex() == newer


def test_a_failed_appraisal_takes_the_workload_back(bench: OwnerBench) -> None:
    digest = released(bench)
    order = failed(bench)
    assert (order.manifest_digest, order.guid) == (digest, bench.guid)
    assert "PCR 7 differs" in order.reason
    assert state(bench) == "withdrawn"
    causes = [one.cause for one in bench.context.stores.events.timeline(bench.guid.raw)]
    assert causes[-2:] == ["decision.denied", "release.withdrawn"]


def test_an_order_stays_the_same_until_it_is_answered(bench: OwnerBench) -> None:
    released(bench)
    first = failed(bench)
    bench.clock.now += 30
    assert ordered(bench) == first


def test_a_lease_that_ran_out_takes_nothing_back(bench: OwnerBench) -> None:
    released(bench)
    bench.clock.now += 10_000
    assert codes(denial(bench)) == ["appraisal-stale"]
    assert bench.context.stores.releases.live(bench.guid.raw)


def test_a_proven_removal_ends_the_order(bench: OwnerBench) -> None:
    released(bench)
    order = failed(bench)
    answer = bench.report(removed(bench, order))
    assert answer == {"state": "withdrawn", "removal": "proven"}
    assert "appraisal-failed" in codes(denial(bench))


def test_a_removal_that_left_something_is_asked_for_again(bench: OwnerBench) -> None:
    released(bench)
    order = failed(bench)
    answer = bench.report(removed(bench, order, left=PATHS))
    assert answer["removal"] == "unproven"
    assert ordered(bench) == order
    assert bench.report(removed(bench, order))["removal"] == "proven"


def test_a_removal_report_on_another_order_proves_nothing(bench: OwnerBench) -> None:
    released(bench)
    order = failed(bench)
    other = RemovalOrder(
        order.guid, order.manifest_digest, order.reason, order.issued_at, b"n" * 16
    )
    with pytest.raises(Exception, match="another order"):
        bench.report(removed(bench, other))
    assert ordered(bench) == order


def test_a_workload_that_was_granted_only_is_taken_back_too(
    bench: OwnerBench,
) -> None:
    bench.assign()
    bench.appraise()
    bench.ask()
    order = failed(bench)
    report = RemovalReport(
        bench.guid, order.manifest_digest, order.nonce, (), (), bench.context.now()
    )
    answer = bench.report(sign_removal_report(report, bench.device))
    assert answer["removal"] == "proven"


def test_a_mended_device_is_released_to_again(bench: OwnerBench) -> None:
    released(bench)
    bench.report(removed(bench, failed(bench)))
    bench.clock.now += 60
    bench.appraise()
    assert "ticket" in bench.ask()


def test_a_mended_device_has_to_prove_the_removal_first(bench: OwnerBench) -> None:
    released(bench)
    order = failed(bench)
    bench.clock.now += 60
    bench.appraise()
    assert ordered(bench) == order


def test_a_report_on_what_was_never_released_is_refused(bench: OwnerBench) -> None:
    digest = bench.assign()
    with pytest.raises(Conflict):
        bench.report(applied(bench, digest))
    assert state(bench) == "attesting"


def test_a_workload_that_failed_to_apply_is_an_event(bench: OwnerBench) -> None:
    digest = bench.assign()
    bench.appraise()
    bench.ask()
    bench.report(applied(bench, digest, "failed"))
    events = bench.context.stores.events.timeline(bench.guid.raw)
    assert events[-1].cause == "workload.failed"
    assert state(bench) == "attested"


def test_the_same_report_twice_counts_once(bench: OwnerBench) -> None:
    digest = bench.assign()
    bench.appraise()
    bench.ask()
    report = applied(bench, digest)
    assert bench.report(report) == bench.report(report)


def test_a_frozen_device_gets_nothing_and_keeps_what_it_has(
    bench: OwnerBench,
) -> None:
    released(bench)
    devices = bench.context.stores.devices
    devices.freeze(bench.guid.raw, True, "holidays", "test", bench.context.now())
    assert codes(denial(bench)) == ["frozen"]
    assert state(bench) == "released"
    devices.freeze(bench.guid.raw, False, "over", "test", bench.context.now())
    assert "ticket" in bench.ask()


def test_the_cap_holds_withdrawals_until_a_human_speaks(
    tmp_path: Path, databases: NewDatabase
) -> None:
    with owner_bench(tmp_path, withdraw_cap=0, databases=databases) as bench:
        released(bench)
        bench.clock.now += 60
        bench.appraise(good=False)
        assert "appraisal-failed" in codes(denial(bench))
        assert bench.context.stores.releases.live(bench.guid.raw)
        events = bench.context.stores.events.timeline(bench.guid.raw)
        assert "release.withdrawal_held" in [one.cause for one in events]
        desk = Withdrawals(bench.context, bench.gate)
        assert desk.withdraw(bench.guid.raw, "I mean it", "apikey:human")
        assert ordered(bench).reason == "I mean it"
