"""Event logs over the push channel: a recorded boot, and the real verifier."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attestation.cohort import Cohort
from attestation.keylime.push_agent import PushAgent, PushRefused
from attestation.keylime.stack import KeylimeStack
from attestation.learning import Shown, draft
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import read_runtime_policy
from hw.kernel_logs import KernelLogs
from onboarding.services import enrol_task, enrolment, rows
from onboarding.services.api.learning import post_learning
from onboarding.services.drift import DriftDesk
from onboarding.services.enrolment import EnrolWork, enrol_push
from onboarding.services.errors import Problem
from onboarding.services.holding import told
from onboarding.store.apikeys import ApiKey, Role
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.direct import Sql
from tests.support.attester import Attester, attest, completed
from tests.support.attesting import hold_to
from tests.support.boot_logs import recorded_log
from tests.support.booted import BOOT, learnt_policy, with_another_command_line
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured
from tests.support.owner_bench import OwnerBench
from tests.support.pushing import Pushing, pushing_device
from tests.support.replayed_boot import measure
from tests.support.running import listed, run, runtime_policy
from tests.support.swtpm import MakeSoftwareTpm

pytestmark = pytest.mark.sqlite_first

RAN = (
    Measured(b"boot_aggregate"),
    Measured(b"/usr/bin/app", digest=b"\1" * 32),
    Measured(b"/usr/bin/evil", digest=b"\2" * 32),
)
KEY = ApiKey("1", "one", Role.SECURITY, 0, "test", None, None)


@dataclass
class Booted:
    """A device that booted as recorded and pushes, enrolled under its policy."""

    pushing: Pushing
    agent: PushAgent

    def hold_to(self, policy: AttestationPolicy) -> None:
        bench = self.pushing.bench
        hold_to(bench, policy)
        situation = bench.gate.situation(bench.guid.raw)
        enrol_push(bench.context.stores, self.pushing.link, situation)

    def enrol_as_planned(self) -> None:
        bench = self.pushing.bench
        enrolment.plan_for(bench.context, (bench.guid.raw,))
        tasks, now = bench.context.stores.tasks, bench.context.now()
        for task in tasks.claim(enrol_task.KIND, "test", now, 60):
            work = EnrolWork(bench.context, bench.gate, self.pushing.link)
            work.run(task, "test")

    def attests(self, index: int = 0) -> AppraisalRecord:
        attest(self.agent)
        completed(self.pushing.client, self.pushing.agent, index)
        (made,) = self.pushing.looked()
        return made


@pytest.fixture
def booted(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> Iterator[Booted]:
    from hw.tpm import Tpm

    software = make_software_tpm(tmp_path.name)
    with Tpm(software.start()) as tpm:
        measure(tpm, recorded_log(BOOT))
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        with pushing_device(tmp_path, keylime_stack, attester, databases) as pushing:
            bench = pushing.bench
            bench.clock.now = time.time()
            bindings = bench.context.stores.bindings
            bound = bindings.get(bench.guid.raw)
            bindings.put(replace(bound, bound_at=bench.context.now() - 60), "test")
            hold_to(bench, learnt_policy())
            pushing.enrol()
            log = tmp_path / "log"
            log.write_bytes(recorded_log(BOOT))
            agent = pushing.push_agent(logs=KernelLogs(root=tmp_path, uefi=log))
            yield Booted(pushing, agent)
    software.stop()


@pytest.mark.both
def test_a_boot_passes_and_another_is_refused_by_its_event(booted: Booted) -> None:
    passed = booted.attests()
    assert (passed.channel, passed.failures) == ("push", ())
    assert passed.compared[:2] == ("pcr:sha256:1", "boot:sha256:0")
    assert passed.compared[-2:] == ("boot-events:38", f"boot-is:{BOOT}")
    bench = booted.pushing.bench
    bench.assign()
    assert "ticket" in bench.ask()

    other = with_another_command_line()
    hold_to(bench, other)
    assert booted.pushing.looked() == ()  # nothing is told under the new one
    booted.hold_to(other)
    failed = booted.attests()
    assert (failed.outcome, failed.compared) == (Outcome.FAILED, ())
    (failure, *_) = failed.failures
    assert failure.kind == "boot.event"
    assert 'kernel command line: "/vmlinuz console=ttyS0' in failure.message
    assert 'the policy has kernel command line: "quiet"' in failure.message
    assert "removal_order" in bench.ask()


def test_what_booted_and_what_ran_are_judged_of_one_quote(
    booted: Booted, tmp_path: Path
) -> None:
    pushing, bench = booted.pushing, booted.pushing.bench
    body = runtime_policy(RAN[:2])
    bench.context.stores.runtime_policies.add(body, "test", bench.context.now())
    both = replace(learnt_policy(), runtime_policy=read_runtime_policy(body))
    booted.hold_to(replace(both, version=2))
    log, ran = tmp_path / "log", tmp_path / "ran"
    booted.agent = pushing.push_agent(logs=KernelLogs(uefi=log, ima=ran))
    run(pushing.attester.tpm, RAN[:2])
    ran.write_bytes(listed(*RAN[:2]))
    passed = booted.attests()
    assert passed.failures == ()
    assert "ima:sha256:10" in passed.compared
    counted = ("boot-events:38", f"boot-is:{BOOT}", "ima-entries:2")
    assert passed.compared[-3:] == counted

    run(pushing.attester.tpm, RAN[2:])
    ran.write_bytes(listed(*RAN))
    (failure,) = booted.attests(1).failures
    assert "/usr/bin/evil" in failure.message


def test_in_an_update_either_version_of_the_boot_passes_and_no_other(
    booted: Booted,
) -> None:
    """The machine booted as the next version has it, before the window ends."""
    bench, stores = booted.pushing.bench, booted.pushing.bench.context.stores
    raw, now, hall = bench.guid.raw, bench.context.now(), {"hall": "7"}
    old = replace(with_another_command_line(), name="hall", version=1)
    new = replace(learnt_policy(), name="hall", version=2)
    for policy in (old, new):
        stores.policies.add(rows.policy_record(policy, "test", now))
    stores.devices.describe(raw, "test", now, labels=hall)
    cohort = Cohort("hall", hall, "hall", 1)
    stores.cohorts.observe(cohort, "test", now)
    stores.cohorts.enforce(cohort, "test", now)
    held = stores.cohorts.get("hall").cohort
    booted.enrol_as_planned()
    failed = booted.attests()
    assert (failed.outcome, failed.policy_version) == (Outcome.FAILED, 1)

    stores.cohorts.update(held, 2, bytes(32), now + 1000, "test", now)
    booted.enrol_as_planned()
    passed = booted.attests()
    assert (passed.outcome, passed.policy_version) == (Outcome.PASSED, 2)
    assert passed.compared[1] == "boot:sha256:0"
    assert passed.lease_expires is not None
    assert passed.lease_expires <= now + 1000 + new.lease_seconds


def test_an_event_that_the_log_leaves_out_is_a_log_that_is_not_true(
    booted: Booted,
) -> None:
    booted.pushing.attester.tpm.extend(8, b"another command")
    failed = booted.attests()
    (failure,) = failed.failures
    assert failure.kind == "boot.not-replayed"
    assert "PCR 8" in failure.message


def test_the_verifier_keeps_the_boots_and_without_them_it_is_drift(
    booted: Booted,
) -> None:
    bench, ours = booted.pushing.bench, booted.pushing.agent
    desk = DriftDesk(bench.context, booted.pushing.link)
    kept = told(learnt_policy()).boot_name
    assert not [one for one in desk.look().drifts if one.name in (ours, kept)]
    hold_to(bench, with_another_command_line())
    found = {(one.kind.value, one.name) for one in desk.look().drifts}
    assert ("other-policy", ours) in found
    assert ("strange-measured-boot-policy", kept) in found


def test_a_device_that_offers_no_log_is_not_heard(booted: Booted) -> None:
    with pytest.raises(PushRefused) as refused:
        attest(booted.pushing.push_agent())
    assert refused.value.status == 422


def test_a_policy_is_learnt_from_what_a_device_pushes_under_another(
    booted: Booted,
) -> None:
    bench = booted.pushing.bench
    booted.hold_to(with_another_command_line())
    ask(bench)
    assert booted.attests().outcome is Outcome.FAILED
    learnt = bench.context.stores.learnings.get(bench.guid.raw)
    assert sorted(learnt.pcrs) == [*range(10), *range(11, 16)]
    assert learnt.boot_log == recorded_log(BOOT)
    shown = Shown(learnt.bank, learnt.pcrs, learnt.boot_log)
    booted.hold_to(draft("learnt", 1, shown))
    assert booted.attests().outcome is Outcome.PASSED


def test_what_came_before_it_was_asked_is_not_learnt(booted: Booted) -> None:
    bench = booted.pushing.bench
    booted.attests()
    bench.clock.now = time.time() + 3600
    ask(bench)
    assert booted.pushing.looked() == ()
    assert bench.context.stores.learnings.wanted(bench.guid.raw)


def test_a_device_under_no_policy_is_enrolled_to_show_itself_and_no_longer(
    booted: Booted,
) -> None:
    bench, client = booted.pushing.bench, booted.pushing.client
    bench.context.database.direct.count(Sql("DELETE FROM assignments"), ())
    booted.enrol_as_planned()
    assert client.status(booted.pushing.agent) is None
    ask(bench)
    booted.enrol_as_planned()
    ours = booted.pushing.agent
    drifts = DriftDesk(bench.context, booted.pushing.link).look().drifts
    assert not [one for one in drifts if one.name == ours]
    attest(booted.agent)
    completed(client, ours, 0)
    assert booted.pushing.looked() == ()  # it is no verdict
    learnt = bench.context.stores.learnings.get(bench.guid.raw)
    assert (learnt.at is None, learnt.boot_log) == (False, recorded_log(BOOT))
    booted.enrol_as_planned()
    assert client.status(ours) is None


def test_a_device_without_a_policy_enrols_where_it_is_to_show_itself(
    booted: Booted,
) -> None:
    bench = booted.pushing.bench
    bench.context.database.direct.count(Sql("DELETE FROM assignments"), ())
    with pytest.raises(Problem, match="No attestation policy"):
        booted.pushing.enrol()
    ask(bench)
    booted.pushing.enrol()
    assert booted.pushing.client.status(booted.pushing.agent) is not None


def ask(bench: OwnerBench) -> None:
    post_learning(str(bench.guid), bench.context, KEY)
