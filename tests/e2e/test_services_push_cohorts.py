"""Cohorts and update windows on the push channel: a real TPM, and the real Keylime.

Keylime's verifier judges there by itself, so that it has to be told what changed; and
what it is told in an update window is less strict than our own judgement after it.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.cohort import Cohort
from attestation.keylime.results import AgentState
from attestation.keylime.stack import KeylimeStack
from attestation.policy import AttestationPolicy
from onboarding.device.push import PushChannel
from onboarding.services import enrol_task, enrolment, reconcile, rows
from onboarding.services.drift import DriftDesk
from onboarding.services.enrolment import EnrolWork
from onboarding.services.errors import Problem
from onboarding.services.reconcile import ReconcileWork
from onboarding.services.rollout import Standing, preview
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.update_windows import REPORTED
from tests.support.attester import WAIT_SECONDS, Attester, attest
from tests.support.databases import NewDatabase
from tests.support.pushing import Nearby, Pushing, pushing_device

if TYPE_CHECKING:
    from tests.support.swtpm import MakeSoftwareTpm

pytestmark = pytest.mark.sqlite_first

BERLIN = {"site": "berlin"}
IMAGE = bytes(range(32))
KERNEL, ROOT = 8, 9  # the PCRs that another image changes
NEW = b"of the new image"
SECONDS = 1000


@pytest.fixture
def pushing(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    make_software_tpm: "MakeSoftwareTpm",
    databases: NewDatabase,
    request: pytest.FixtureRequest,
) -> Iterator[Pushing]:
    """A device on the old image, enrolled; ``image`` 1 is the old one, 2 the new."""
    from hw.tpm import Tpm

    with Tpm(make_software_tpm(request.node.name[-40:]).start()) as tpm:
        for pcr in (KERNEL, ROOT):
            tpm.extend(pcr, b"of the old image")
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        with pushing_device(tmp_path, keylime_stack, attester, databases) as device:
            bench = device.bench
            bench.clock.now = time.time()  # Keylime has the time of day
            stores, now = bench.context.stores, bench.context.now()
            bound = replace(stores.bindings.get(bench.guid.raw), bound_at=now)
            stores.bindings.put(bound, "test")
            stores.devices.describe(bench.guid.raw, "test", now, labels=BERLIN)
            old = attester.allow(KERNEL, ROOT)
            new = {pcr: (extended(one),) for pcr, (one,) in old.items()}
            for version, pcrs in enumerate((old, new), 1):
                policy = AttestationPolicy("image", version, dict(pcrs))  # type: ignore[arg-type]
                stores.policies.add(rows.policy_record(policy, "test", now))
            yield device


def extended(value: str) -> str:
    """What a PCR of that value holds once the new image was measured into it."""
    digest = hashlib.sha256(NEW).digest()
    return hashlib.sha256(bytes.fromhex(value) + digest).hexdigest()


def observe(pushing: Pushing, version: int) -> Cohort:
    cohort = Cohort("berlin", BERLIN, "image", version)
    context = pushing.bench.context
    context.stores.cohorts.observe(cohort, "test", context.now())
    return cohort


def enforce(pushing: Pushing, version: int) -> Cohort:
    """Hold the device to a version, as the route does."""
    context = pushing.bench.context
    cohort = observe(pushing, version)
    done = context.stores.cohorts.enforce(cohort, "test", context.now()).cohort
    enrolment.plan_for(context, (pushing.bench.guid.raw,))
    return done


def update(pushing: Pushing) -> None:
    """Have it get the new image, within SECONDS."""
    context, held = pushing.bench.context, enforce(pushing, 1)
    now = context.now()
    context.stores.cohorts.update(held, 2, IMAGE, now + SECONDS, "test", now)
    enrolment.plan_for(context, (pushing.bench.guid.raw,))


def work(pushing: Pushing) -> int:
    """Do the enrolments that are due; return how many there were."""
    context, bench = pushing.bench.context, pushing.bench
    worker = EnrolWork(context, bench.gate, pushing.link)
    due = context.stores.tasks.claim(enrol_task.KIND, "test", context.now(), 60)
    for task in due:
        worker.run(task, "test")
    return len(due)


def drift(pushing: Pushing) -> list[str]:
    look = DriftDesk(pushing.bench.context, pushing.link).look()
    return [one.kind.value for one in look.drifts if one.name == pushing.agent]


def appraised(pushing: Pushing) -> AppraisalRecord:
    """Attest, and look as the worker does until that is judged."""
    before = known(pushing)
    attest(pushing.push_agent())
    return looked(pushing, before)


def known(pushing: Pushing) -> set[str]:
    """The appraisals there are."""
    bench = pushing.bench
    items = bench.context.stores.appraisals.page(bench.guid.raw).items
    return {one.id for one in items}


def looked(pushing: Pushing, before: set[str]) -> AppraisalRecord:
    """Look as the worker does, until there is another appraisal."""
    bench, stores = pushing.bench, pushing.bench.context.stores
    worker = ReconcileWork(bench.context, bench.gate, pushing.link)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        stores.tasks.enqueue(reconcile.KIND, bench.guid.raw.hex(), bench.context.now())
        for task in stores.tasks.claim(reconcile.KIND, "test", bench.context.now(), 60):
            worker.run(task, "test")
        for one in stores.appraisals.page(bench.guid.raw).items:
            if one.id not in before:
                return one
        time.sleep(0.05)
    raise AssertionError("no appraisal in time")


def boot(pushing: Pushing, *pcrs: int) -> None:
    """Run the new image, or as much of it as these PCRs show."""
    for pcr in pcrs:
        pushing.attester.tpm.extend(pcr, NEW)


def keylime_says(pushing: Pushing) -> AgentState:
    status = pushing.client.status(pushing.agent)
    assert status is not None
    return status.state


def test_an_observed_policy_withdraws_nothing_and_is_kept_from_keylime(
    pushing: Pushing,
) -> None:
    bench = pushing.bench
    enforce_own(pushing)
    pushing.enrol()
    bench.assign()
    cohort = observe(pushing, 2)
    assert appraised(pushing).outcome is Outcome.PASSED
    (seen,) = bench.context.stores.observations.of_device(bench.guid.raw)
    assert (seen.outcome, seen.policy_version) == (Outcome.FAILED, 2)
    assert f"PCR {KERNEL}" in " ".join(one.message for one in seen.failures)
    assert "ticket" in bench.ask()
    assert (keylime_says(pushing), drift(pushing)) == (AgentState.PASS, [])
    looked_at = preview(bench.context, cohort)
    assert [standing for standing, _ in looked_at.in_the_way] == [Standing.WOULD_FAIL]


def enforce_own(pushing: Pushing) -> None:
    """Assign the old version to the device itself."""
    context, raw = pushing.bench.context, pushing.bench.guid.raw
    context.stores.assignments.assign_policy(raw, "image", 1, "test", context.now())


def test_once_enforced_keylime_fails_it_and_another_policy_lifts_that(
    pushing: Pushing,
) -> None:
    enforce_own(pushing)
    pushing.enrol()
    enforce(pushing, 2)
    assert drift(pushing) == ["other-policy"]
    assert work(pushing) == 1
    assert drift(pushing) == []
    failed = appraised(pushing)
    assert (failed.outcome, failed.policy_version) == (Outcome.FAILED, 2)
    assert f"PCR {KERNEL}" in " ".join(one.message for one in failed.failures)
    assert keylime_says(pushing) is AgentState.FAIL  # and so it stays, but for us
    context = pushing.bench.context
    context.stores.cohorts.remove("berlin", "test", context.now())
    enrolment.plan_for(context, (pushing.bench.guid.raw,))
    assert (work(pushing), work(pushing)) == (1, 0)
    passed = appraised(pushing)
    assert (passed.outcome, passed.policy_version) == (Outcome.PASSED, 1)
    assert (keylime_says(pushing), drift(pushing)) == (AgentState.PASS, [])


@pytest.mark.both
def test_in_an_update_window_old_and_new_pass_and_no_mixture_of_them(
    pushing: Pushing,
) -> None:
    bench = pushing.bench
    update(pushing)
    pushing.enrol()
    assert (work(pushing), drift(pushing)) == (1, [])
    old = appraised(pushing)
    assert (old.outcome, old.policy_version) == (Outcome.PASSED, 1)
    window = bench.context.stores.update_windows.find(bench.guid.raw)
    assert window is not None
    assert old.lease_expires is not None
    assert old.lease_expires <= window.ends_at
    boot(pushing, KERNEL)
    mixed = appraised(pushing)
    assert keylime_says(pushing) is AgentState.PASS  # it knows of no versions
    assert (mixed.outcome, mixed.policy_version) == (Outcome.FAILED, 2)
    assert f"PCR {ROOT}" in mixed.failures[0].message
    boot(pushing, ROOT)
    new = appraised(pushing)
    assert (new.outcome, new.policy_version) == (Outcome.PASSED, 2)


def test_after_the_window_the_old_image_fails_here_and_then_in_keylime(
    pushing: Pushing,
) -> None:
    bench = pushing.bench
    update(pushing)
    pushing.enrol()
    work(pushing)
    passed = appraised(pushing)
    assert passed.outcome is Outcome.PASSED
    bench.assign()
    assert "ticket" in bench.ask()
    bench.clock.now += SECONDS + 2
    with pytest.raises(Problem, match="under image version 1, assigned is image"):
        bench.ask()
    assert drift(pushing) == ["other-policy"]  # it has both, until it is told
    failed = looked(pushing, known(pushing))
    assert (failed.outcome, failed.policy_version) == (Outcome.FAILED, 2)
    assert (work(pushing), drift(pushing)) == (1, [])
    assert appraised(pushing).outcome is Outcome.FAILED
    assert keylime_says(pushing) is AgentState.FAIL
    assert "removal_order" in bench.ask()


def test_who_reports_the_new_image_with_its_session_is_held_to_it_at_once(
    pushing: Pushing,
) -> None:
    bench = pushing.bench
    update(pushing)
    pushing.enrol()
    work(pushing)
    tpm = pushing.attester.tpm
    PushChannel(Nearby(pushing), tpm, bytes(32)).attest()
    assert (work(pushing), drift(pushing)) == (0, [])
    PushChannel(Nearby(pushing), tpm, IMAGE)
    window = bench.context.stores.update_windows.find(bench.guid.raw)
    assert window is not None
    assert window.closed_by == REPORTED
    assert (work(pushing), drift(pushing)) == (1, [])
    failed = appraised(pushing)
    assert (failed.outcome, failed.policy_version) == (Outcome.FAILED, 2)
    assert keylime_says(pushing) is AgentState.FAIL


def test_a_change_in_the_midst_of_an_enrolment_is_not_put_off_to_the_windows_end(
    pushing: Pushing,
) -> None:
    update(pushing)
    pushing.enrol()
    context, bench = pushing.bench.context, pushing.bench
    tasks = context.stores.tasks
    (task,) = tasks.claim(enrol_task.KIND, "test", context.now(), 60)
    enrol_task.plan(context.stores, bench.guid.raw, context.now())
    EnrolWork(context, bench.gate, pushing.link).run(task, "test")
    assert (work(pushing), work(pushing)) == (1, 0)
    planned = tasks.find(enrol_task.KIND, bench.guid.raw.hex())
    assert planned is not None
    assert planned.due > context.now() + SECONDS / 2
