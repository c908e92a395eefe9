"""IMA lists over the push channel: judged by the real verifier, told by us."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attestation.keylime.answers import base64_text
from attestation.keylime.push_agent import PushAgent, PushRefused
from attestation.keylime.stack import KeylimeStack
from hw.kernel_logs import KernelLogs
from onboarding.services import enrol_task
from onboarding.services.drift import DriftDesk
from onboarding.services.enrolment import EnrolWork, enrol_push
from onboarding.services.kept_policies import KeptPolicies
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.errors import NotFound
from tests.support.attester import Attester, attest, completed
from tests.support.attesting import PCR
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured
from tests.support.pushing import Pushing, pushing_device
from tests.support.running import hold_to_list, listed, run, runtime_policy
from tests.support.swtpm import MakeSoftwareTpm

pytestmark = pytest.mark.sqlite_first

GOOD = (Measured(b"boot_aggregate"), Measured(b"/usr/bin/app", digest=b"\1" * 32))
MORE = Measured(b"/usr/bin/more", digest=b"\3" * 32)
EVIL = Measured(b"/usr/bin/evil", digest=b"\2" * 32)


@dataclass
class Running:
    """A device that pushes, and the file in which its kernel lists what runs."""

    pushing: Pushing
    log: Path
    agent: PushAgent
    attestations: int = 0

    def attests(self, *ran: Measured) -> AppraisalRecord:
        """Run, push, and look until the owner knows of it."""
        run(self.pushing.attester.tpm, ran)
        with self.log.open("ab") as file:
            file.write(listed(*ran))
        attest(self.agent)
        completed(self.pushing.client, self.pushing.agent, self.attestations)
        self.attestations += 1
        (made,) = self.pushing.looked()
        return made

    def enrol_anew(self) -> None:
        bench = self.pushing.bench
        situation = bench.gate.situation(bench.guid.raw)
        enrol_push(bench.context.stores, self.pushing.link, situation)
        self.attestations = 0


@pytest.fixture
def running(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> Iterator[Running]:
    from hw.tpm import Tpm

    software = make_software_tpm(tmp_path.name)
    with Tpm(software.start()) as tpm:
        tpm.extend(PCR, b"what booted")
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        with pushing_device(tmp_path, keylime_stack, attester, databases) as pushing:
            bench = pushing.bench
            bench.clock.now = time.time()
            bindings = bench.context.stores.bindings
            bound = bindings.get(bench.guid.raw)
            bindings.put(replace(bound, bound_at=bench.context.now() - 60), "test")
            hold_to_list(bench, attester.allow(PCR), runtime_policy((*GOOD, MORE)))
            pushing.enrol()
            log = tmp_path / "list"
            agent = pushing.push_agent(logs=KernelLogs(ima=log))
            log.write_bytes(b"")
            yield Running(pushing, log, agent)
    software.stop()


@pytest.mark.both
def test_what_ran_is_judged_by_the_verifier_and_the_file_is_named_by_us(
    running: Running,
) -> None:
    passed = running.attests(*GOOD)
    assert passed.failures == ()
    counted = (f"pcr:sha256:{PCR}", "ima:sha256:10", "ima-entries:2")
    assert (passed.channel, passed.compared) == ("push", counted)
    assert running.attests(MORE).compared[-1] == "ima-entries:3"  # the last alone came

    failed = running.attests(EVIL)
    assert (failed.outcome, failed.compared) == (Outcome.FAILED, ())
    (failure,) = failed.failures
    assert failure.kind == "ima.validation.ima-ng.not_in_allowlist"
    assert "/usr/bin/evil" in failure.message


def test_the_verifier_keeps_one_policy_for_all_and_a_changed_one_is_drift(
    running: Running,
) -> None:
    bench = running.pushing.bench
    desk = DriftDesk(bench.context, running.pushing.link)
    running.enrol_anew()  # the same again is no change
    ours = running.pushing.agent
    assert not [one for one in desk.look().drifts if one.name == ours]
    assert running.attests(*GOOD).outcome is Outcome.PASSED
    body = runtime_policy(GOOD[:1])
    hold_to_list(bench, running.pushing.attester.allow(PCR), body, 2)
    (drift,) = [one for one in desk.look().drifts if one.name == ours]
    assert drift.kind == "other-policy"
    assert running.pushing.looked() == ()  # nothing is told under the new one

    running.enrol_anew()
    failed = running.attests(MORE)
    assert failed.policy_version == 2
    named = " ".join(one.message for one in failed.failures)
    assert "/usr/bin/app" in named
    assert "/usr/bin/more" in named


def test_a_pass_of_the_verifier_is_not_enough(running: Running) -> None:
    """Somebody else, administrator there too, lets more run under our name."""
    bench, pushing = running.pushing.bench, running.pushing
    assert running.attests(*GOOD).outcome is Outcome.PASSED
    loosen(pushing, (*GOOD, MORE, EVIL))
    failed = running.attests(EVIL)
    latest = pushing.client.latest_attestation(pushing.agent)
    assert latest is not None
    assert latest.passed  # there
    assert failed.outcome is Outcome.FAILED
    assert "/usr/bin/evil" in failed.failures[0].message

    # Nothing new comes now; but what it judges by is looked at.
    pushing.link = replace(pushing.link, kept=KeptPolicies())
    attest(running.agent)
    completed(pushing.client, pushing.agent, running.attestations)
    assert running.pushing.looked() == ()
    (task,) = bench.context.stores.tasks.claim(
        enrol_task.KIND, "test", bench.context.now(), 60
    )
    EnrolWork(bench.context, bench.gate, pushing.link).run(task, "test")
    running.attestations = 0
    assert running.attests().outcome is Outcome.FAILED  # told anew, it sees it, too
    latest = pushing.client.latest_attestation(pushing.agent)
    assert latest is not None
    assert latest.failed


def loosen(pushing: Pushing, allowed: tuple[Measured, ...]) -> None:
    held = pushing.bench.gate.situation(pushing.bench.guid.raw).policy
    assert held is not None
    said = {"runtime_policy": base64_text(runtime_policy(allowed))}
    path = f"/v2.6/allowlists/vouchgate-{held.runtime_policy}"
    pushing.client.verifier("PUT", path, {201}, {**said, "runtime_policy_key": ""})


def test_a_device_that_offers_no_list_is_not_heard(running: Running) -> None:
    silent = running.pushing.push_agent()
    with pytest.raises(PushRefused) as refused:
        attest(silent)
    assert refused.value.status == 422
    with pytest.raises(NotFound):
        running.pushing.bench.context.stores.appraisals.latest(
            running.pushing.bench.guid.raw
        )
