"""Update windows where the verifier holds an agent to one policy, PCRs and list.

A real TPM, and the real Keylime in push and in pull mode: each version has its turn.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.stack import KeylimeStack
from attestation.passport import key_digest
from hw.kernel_logs import KernelLogs
from hw.public_area import PublicArea
from onboarding.services import reconcile
from onboarding.services.drift import DriftDesk
from onboarding.services.pull import PullWatch
from onboarding.services.reconcile import ReconcileWork
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.state import DeviceState
from tests.support.attester import Attester, attest
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured
from tests.support.keylime_stack import require_keylime
from tests.support.owner_bench import OwnerBench
from tests.support.pull_agent import PullAgent
from tests.support.pull_site import WAIT_SECONDS, PullSite, pull_site
from tests.support.pushing import Pushing, pushing_device
from tests.support.running import listed, run
from tests.support.swtpm import MakeSoftwareTpm
from tests.support.windows import (
    EVIL,
    KERNEL,
    MORE,
    OLD,
    SECONDS,
    hold,
    store_versions,
    update,
    work,
)

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytestmark = pytest.mark.sqlite_first

BOOTED = b"of the new image"


@pytest.fixture
def machine(tmp_path: Path, make_software_tpm: MakeSoftwareTpm) -> Iterator["Tpm"]:
    """A machine that booted the old image, and ran what is on it."""
    from hw.tpm import Tpm

    software = make_software_tpm(tmp_path.name[-40:])
    with Tpm(software.start()) as tpm:
        tpm.extend(KERNEL, b"of the old image")
        run(tpm, OLD)
        yield tpm
    software.stop()


def versions_of(bench: OwnerBench, attester: Attester) -> None:
    (old,) = attester.allow(KERNEL)[KERNEL]
    booted = hashlib.sha256(BOOTED).digest()
    store_versions(bench, old, hashlib.sha256(bytes.fromhex(old) + booted).hexdigest())
    hold(bench)


def drift(site: Pushing | PullSite) -> list[str]:
    look = DriftDesk(site.bench.context, site.link).look()
    ours = str(site.bench.guid)
    return [one.kind.value for one in look.drifts if one.name == ours]


class Pushed:
    """A device that pushes, and the file in which its kernel lists what runs."""

    def __init__(self, site: Pushing, directory: Path) -> None:
        self.site, self._log = site, directory / "list"
        self._log.write_bytes(listed(*OLD))
        self.log_in()

    def log_in(self) -> None:
        """Open a session; one ends with the clock."""
        self._agent = self.site.push_agent(logs=KernelLogs(ima=self._log))

    def runs(self, *ran: Measured) -> None:
        run(self.site.attester.tpm, ran)
        with self._log.open("ab") as file:
            file.write(listed(*ran))

    def attests(self) -> AppraisalRecord | None:
        """Push, look, and tell the verifier what follows; what is new, if anything."""
        site, stores = self.site, self.site.bench.context.stores
        guid = site.bench.guid.raw
        known = {one.id for one in stores.appraisals.page(guid).items}
        attest(self._agent)
        self._judged()
        site.bench.clock.now += 1
        reconcile.plan(stores, guid, site.bench.context.now())
        looks = ReconcileWork(site.bench.context, site.bench.gate, site.link)
        for task in stores.tasks.claim(reconcile.KIND, "test", 1 << 40, 60):
            looks.run(task, "test")
        work(site.bench, site.link)
        new = [one for one in stores.appraisals.page(guid).items if one.id not in known]
        assert len(new) <= 1
        return new[0] if new else None

    def _judged(self) -> None:
        """Wait until the verifier has judged what was pushed."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = self.site.client.latest_attestation(self.site.agent)
            if found is not None and (found.passed or found.failed):
                return
            time.sleep(0.05)
        raise AssertionError("no verdict in time")


@pytest.mark.both
def test_on_push_each_version_has_its_turn_and_what_neither_allows_fails(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    machine: "Tpm",
    databases: NewDatabase,
) -> None:
    attester = Attester(machine, machine.create_attestation_key("rsa"))
    with pushing_device(tmp_path, keylime_stack, attester, databases) as site:
        bench = site.bench
        bench.clock.now = time.time()  # Keylime has the time of day
        bindings, now = bench.context.stores.bindings, bench.context.now()
        bindings.put(replace(bindings.get(bench.guid.raw), bound_at=now - 60), "test")
        versions_of(bench, attester)
        site.enrol()
        device = Pushed(site, tmp_path)
        assert told(device.attests()) == (Outcome.PASSED, 1)

        ends = update(bench)
        assert (work(bench, site.link), drift(site)) == (1, [])
        passed = device.attests()
        assert told(passed) == (Outcome.PASSED, 1)
        assert passed is not None
        assert passed.lease_expires == ends

        machine.extend(KERNEL, BOOTED)
        device.runs(MORE)
        assert device.attests() is None  # version 2 has its turn first
        assert drift(site) == []
        passed = device.attests()
        assert told(passed) == (Outcome.PASSED, 2)
        assert passed is not None
        assert passed.lease_expires == passed.at + 10 * SECONDS

        device.runs(EVIL)
        assert device.attests() is None
        assert told(device.attests()) == (Outcome.FAILED, 1)
        failed = device.attests()  # it pushes on, and is shown both in turn
        assert told(failed) == (Outcome.FAILED, 2)
        assert failed is not None
        assert "/usr/bin/evil" in failed.failures[0].message

        bench.clock.now = ends + 2
        device.log_in()
        work(bench, site.link)
        assert drift(site) == []
        assert told(device.attests()) == (Outcome.FAILED, 2)
        assert told(device.attests()) == (Outcome.FAILED, 2)


def told(record: AppraisalRecord | None) -> tuple[Outcome, int] | None:
    return None if record is None else (record.outcome, record.policy_version)


def test_on_pull_each_version_has_its_turn_and_what_neither_allows_fails(
    tmp_path: Path, machine: "Tpm", databases: NewDatabase
) -> None:
    require_keylime()
    attester = Attester(machine, machine.create_attestation_key("rsa"))
    with pull_site(tmp_path, databases) as site:
        agent = PullAgent(attester, site.pki.ca, tmp_path)
        agent.ran = [one.line() for one in OLD]
        with closing(agent):
            agent.register(site.registrar, site.name)
            bound_to(site, agent, attester)
            site.adopt()
            assert told(site.watch(Outcome.PASSED)) == (Outcome.PASSED, 1)

            ends = update(site.bench)
            passed = passed_as(site, lambda one: one.lease_expires == ends)
            assert told(passed) == (Outcome.PASSED, 1)
            after_the_window(site, ends, passed)

            with agent.lock:  # both, before the verifier asks again
                machine.extend(KERNEL, BOOTED)
                run(machine, (MORE,))
                agent.ran = [*agent.ran, MORE.line()]
            passed_as(site, lambda one: one.policy_version == 2)
            assert drift(site) == []
            guid, stores = site.bench.guid.raw, site.bench.context.stores
            seen = stores.appraisals.page(guid).items
            assert {one.outcome for one in seen} == {Outcome.PASSED}

            with agent.lock:
                run(machine, (EVIL,))
                agent.ran = [*agent.ran, EVIL.line()]
            assert told(site.watch(Outcome.FAILED)) == (Outcome.FAILED, 1)
            device = stores.devices.get(guid)
            assert device.state(site.bench.context.now()) is DeviceState.FAILED
            assert work(site.bench, site.link) == 0  # the verifier calls no more


def bound_to(site: PullSite, agent: PullAgent, attester: Attester) -> None:
    """Have the bench's record name the EK of the TPM, and its versions."""
    bindings, raw = site.bench.context.stores.bindings, site.bench.guid.raw
    site.bench.clock.now = time.time()
    with agent.lock:
        ek = attester.tpm.endorsement_key().public
        versions_of(site.bench, attester)
    digest = key_digest(PublicArea.from_bytes(ek).key)
    bound = replace(bindings.get(raw), ek_public=ek, ek_digest=digest)
    bindings.put(bound, "test")


def passed_as(
    site: PullSite, wanted: Callable[[AppraisalRecord], bool]
) -> AppraisalRecord:
    """Go round until there is a pass of that kind."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        passed = site.watch(Outcome.PASSED)
        if wanted(passed):
            return passed
    raise AssertionError("no such pass in time")


def after_the_window(site: PullSite, ends: int, passed: AppraisalRecord) -> None:
    """What the verifier says of the old version counts no more, before it is told."""
    bench = site.bench
    bench.clock.now = ends + 1
    situation = bench.gate.situation(bench.guid.raw)
    with pytest.raises(KeylimeError, match="not enrolled under its policy"):
        PullWatch(bench.context, site.link).look(situation)
    assert bench.context.stores.appraisals.latest(bench.guid.raw) == passed
    device = bench.context.stores.devices.get(bench.guid.raw)
    assert device.state(bench.context.now()) is DeviceState.STALE
    bench.clock.now = time.time()
