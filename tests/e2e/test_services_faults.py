"""What fails around a device ends in ``stale``, to the second, and in no verdict.

The programs that are killed are the real ones; the clock is the test's.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from attestation.keylime.answers import base64_text
from attestation.keylime.errors import KeylimeError, KeylimeUnavailable, NotStored
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from attestation.passport import key_digest
from hw.public_area import PublicArea
from onboarding.services import reconcile, reconcile_round
from onboarding.services.context import Context, open_context
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.kept_policies import KeptPolicies
from onboarding.services.pull import PullWatch
from onboarding.services.reconcile import ReconcileWork
from onboarding.services.reconcile_round import ReconcileRound
from onboarding.store.apikeys import ApiKeyStore, Role
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.errors import NotFound
from onboarding.store.state import DeviceState
from tests.support.attester import Attester, completed
from tests.support.attesting import PCR, Attesting, attesting_device, measured
from tests.support.databases import NewDatabase
from tests.support.ima_lists import Measured
from tests.support.keylime_stack import QUOTE_INTERVAL, require_keylime
from tests.support.owner_bench import Clock, OwnerBench
from tests.support.pull_agent import PullAgent
from tests.support.pull_site import WAIT_SECONDS, PullSite, pull_site
from tests.support.pushing import Pushing, pushing_device
from tests.support.running import hold_to_list, run, runtime_policy
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytestmark = pytest.mark.sqlite_first

REGISTRAR, VERIFIER = 0, 1
LEASE = 600  # seconds, of the policy that these devices are under
RAN = (Measured(b"boot_aggregate"), Measured(b"/usr/bin/app", digest=b"\1" * 32))


@pytest.fixture
def mortal_stack(tmp_path: Path) -> Iterator[KeylimeStack]:
    """A Keylime of the test's own, to be killed."""
    require_keylime()
    options = StackOptions(quote_interval=QUOTE_INTERVAL)
    with KeylimeStack(tmp_path / "keylime", options) as stack:
        yield stack


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    with attesting_device(tmp_path, keylime_stack, measured(tpm), databases) as device:
        yield device


def kill(stack: KeylimeStack, program: int) -> None:
    os.killpg(stack.process_groups[program], signal.SIGKILL)


def state(context: Context, guid: bytes) -> DeviceState:
    return context.stores.devices.get(guid).state(context.now())


def latest(bench: OwnerBench) -> AppraisalRecord:
    return bench.context.stores.appraisals.latest(bench.guid.raw)


def becomes_stale(bench: OwnerBench) -> None:
    """At its last second the lease holds; a second later it is over, and the gate."""
    bench.assign()
    at = latest(bench).at
    bench.clock.now = at + LEASE
    assert state(bench.context, bench.guid.raw) is DeviceState.ATTESTED
    assert "ticket" in bench.ask()
    bench.clock.now = at + LEASE + 1
    assert state(bench.context, bench.guid.raw) is DeviceState.STALE
    with pytest.raises(Problem) as denial:
        bench.ask()
    assert "appraisal-stale" in str(denial.value.extra)


def test_with_the_verifier_killed_there_is_no_verdict_and_the_lease_runs_out(
    tmp_path: Path, mortal_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> None:
    with attesting_device(tmp_path, mortal_stack, measured(tpm), databases) as device:
        assert device.attest()["verdict"] == "passed"
        before = latest(device.bench)
        kill(mortal_stack, VERIFIER)
        with pytest.raises(KeylimeError):
            device.attest()
        assert latest(device.bench) == before
        becomes_stale(device.bench)


def test_with_the_registrar_killed_nobody_is_enrolled_and_the_lease_runs_out(
    tmp_path: Path, mortal_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> None:
    (tmp_path / "push").mkdir()
    tpm.extend(PCR, b"what booted")
    pusher = Attester(tpm, tpm.create_attestation_key("rsa"))
    with pushing_device(
        tmp_path / "push", mortal_stack, pusher, databases, delete=False
    ) as pushing:
        proof = pushing.proof(pushing.begin())
        kill(mortal_stack, REGISTRAR)
        # Nobody is enrolled for push without one, and no TPM is blamed for it ...
        with pytest.raises(KeylimeUnavailable):
            pushing.complete(proof)
        with pytest.raises(KeylimeUnavailable):
            pushing.begin()
        guid = pushing.bench.guid.raw
        assert state(pushing.bench.context, guid) is DeviceState.BOUND
    with attesting_device(tmp_path, mortal_stack, measured(tpm), databases) as device:
        # ... and the evidence channel needs none.
        assert device.attest()["verdict"] == "passed"
        becomes_stale(device.bench)


@pytest.mark.both
def test_with_the_verifier_killed_a_device_of_the_push_channel_becomes_stale(
    tmp_path: Path,
    mortal_stack: KeylimeStack,
    pusher: Attester,
    databases: NewDatabase,
) -> None:
    pusher.tpm.extend(PCR, b"what booted")
    with pushing_device(
        tmp_path, mortal_stack, pusher, databases, delete=False
    ) as pushing:
        bench, now = pushing.bench, int(time.time())
        bench.clock.now = now  # Keylime's own clock says when it took the evidence
        bindings = bench.context.stores.bindings
        bound = replace(bindings.get(bench.guid.raw), bound_at=now - 60)
        bindings.put(bound, "test")
        pushing.enrol()
        pushing.push_agent().attest()
        completed(pushing.client, pushing.agent, 0)
        bench.clock.now = int(time.time()) + 1
        reconciled(pushing)
        before = latest(bench)
        assert before.lease_expires == before.at + LEASE
        kill(mortal_stack, VERIFIER)
        reconciled(pushing)
        found = bench.context.stores.tasks.find(reconcile_round.KIND, "push")
        assert found is not None
        assert found.last_error
        assert latest(bench) == before
        becomes_stale(bench)


def reconciled(pushing: Pushing) -> None:
    """Have the owner go round once, and look at whatever there is news of."""
    bench = pushing.bench
    context, tasks = bench.context, bench.context.stores.tasks
    bench.clock.now += 60  # longer than any pause after a failure
    reconcile_round.begin(context.stores, context.now())
    rounds = ReconcileRound(context, pushing.link)
    for task in tasks.claim(reconcile_round.KIND, "test", context.now(), 60):
        rounds.run(task, "test")
    for task in tasks.claim(reconcile.KIND, "test", context.now(), 60):
        ReconcileWork(context, bench.gate, pushing.link).run(task, "test")


def test_with_the_verifier_killed_a_device_of_the_pull_channel_becomes_stale(
    tmp_path: Path, make_software_tpm: MakeSoftwareTpm, databases: NewDatabase
) -> None:
    """Its verifier called it, and judged what it ran, too."""
    from hw.tpm import Tpm

    require_keylime()
    software = make_software_tpm(tmp_path.name)
    with Tpm(software.start()) as tpm, pull_site(tmp_path, databases) as site:
        tpm.extend(PCR, b"what booted")
        run(tpm, RAN)
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        agent = PullAgent(attester, site.pki.ca, tmp_path)
        agent.ran = [one.line() for one in RAN]
        with closing(agent):
            agent.register(site.registrar, site.name)
            passes_by_pull(site, agent, attester)
            bench = site.bench
            before = latest(bench)
            said = (f"pcr:sha256:{PCR}", "ima:sha256:10", f"ima-entries:{len(RAN)}")
            assert before.compared == said
            counts_no_more_under_another_list(site)
            kill(site.stack, VERIFIER)
            for channel in (reconcile_round.KIND, reconcile.KIND):
                assert not_answered(site, channel)
            assert latest(bench) == before
            becomes_stale(bench)
    software.stop()


def passes_by_pull(site: PullSite, agent: PullAgent, attester: Attester) -> None:
    """Hold the agent to what it ran, then to less, then to what it ran."""
    bench = site.bench
    with agent.lock:
        ek, pinned = attester.tpm.endorsement_key().public, attester.allow(PCR)
    bindings, raw = bench.context.stores.bindings, bench.guid.raw
    digest = key_digest(PublicArea.from_bytes(ek).key)
    bound = replace(bindings.get(raw), ek_public=ek, ek_digest=digest)
    bindings.put(bound, "test")
    for version, allowed in enumerate((RAN, RAN[:1], RAN), 1):
        hold_to_list(bench, pinned, runtime_policy(allowed), version)
        site.adopt()
        deadline = time.monotonic() + WAIT_SECONDS
        if allowed == RAN:
            # Of a pass and a failure in one second the failure counts.
            while state(bench.context, raw) is not DeviceState.ATTESTED:
                assert time.monotonic() < deadline
                site.watch(Outcome.PASSED, at_once=True)
            continue
        failed = site.watch(Outcome.FAILED, at_once=True)
        while "/usr/bin/app" not in failed.failures[0].message:  # as it is notified
            assert time.monotonic() < deadline, failed.failures
            failed = site.watch(Outcome.FAILED, at_once=True)
        assert failed.failures[0].kind == "ima.validation.ima-ng.not_in_allowlist"
        # What the verifier says when it is asked again names no file, and changes none.
        assert site.watch(Outcome.FAILED, at_once=True) == failed


def counts_no_more_under_another_list(site: PullSite) -> None:
    """Somebody else, administrator there too, lets more run under our name."""
    policy = site.bench.gate.situation(site.bench.guid.raw).policy
    pull = site.link.pull
    assert policy is not None
    assert pull is not None
    more = runtime_policy((*RAN, Measured(b"/usr/bin/evil", digest=b"\2" * 32)))
    path = f"/v2.6/allowlists/vouchgate-{policy.runtime_policy}"
    said = {"runtime_policy": base64_text(more), "runtime_policy_key": ""}
    pull.client.verifier("PUT", path, {201}, said)
    link = replace(site.link, kept=KeptPolicies())
    situation = site.bench.gate.situation(site.bench.guid.raw)
    with pytest.raises(NotStored, match="keeps another policy"):
        PullWatch(site.bench.context, link).look(situation)


def not_answered(site: PullSite, kind: str) -> str:
    """Go round, or look, once: what the verifier that is dead makes of it."""
    bench, context = site.bench, site.bench.context
    bench.clock.now += 60  # longer than any pause after a failure
    reconcile_round.begin(context.stores, context.now())
    reconcile.plan(context.stores, bench.guid.raw, context.now())
    rounds = ReconcileRound(context, site.link)
    looks = ReconcileWork(context, bench.gate, site.link)
    tasks = context.stores.tasks
    for task in tasks.claim(reconcile_round.KIND, "test", context.now(), 60):
        rounds.run(task, "test")
    for task in tasks.claim(reconcile.KIND, "test", context.now(), 60):
        looks.run(task, "test")
    subject = "pull" if kind == reconcile_round.KIND else bench.guid.raw.hex()
    found = tasks.find(kind, subject)
    assert found is not None
    return found.last_error or ""


def test_a_device_that_never_attested_is_not_made_good_by_silence(
    attesting: Attesting,
) -> None:
    bench = attesting.bench
    attesting.asked()
    bench.clock.now += 10 * LEASE
    assert state(bench.context, bench.guid.raw) is DeviceState.ATTESTING
    with pytest.raises(NotFound):
        latest(bench)


def test_a_silent_device_is_stale_on_time(attesting: Attesting) -> None:
    assert attesting.attest()["verdict"] == "passed"
    becomes_stale(attesting.bench)


def test_a_clock_that_jumps_ahead_ends_the_lease_at_once(attesting: Attesting) -> None:
    assert attesting.attest()["verdict"] == "passed"
    bench = attesting.bench
    bench.clock.now += 365 * 24 * 3600
    assert state(bench.context, bench.guid.raw) is DeviceState.STALE
    assert attesting.attest()["verdict"] == "passed"  # and a good quote mends it
    assert state(bench.context, bench.guid.raw) is DeviceState.ATTESTED


def test_a_clock_that_is_put_back_makes_no_lease_longer(attesting: Attesting) -> None:
    bench = attesting.bench
    bench.clock.now += 24 * 3600
    assert attesting.attest()["verdict"] == "passed"
    bench.assign()
    bench.clock.now -= 12 * 3600
    assert state(bench.context, bench.guid.raw) is DeviceState.STALE
    with pytest.raises(Problem) as denial:
        bench.ask()
    assert "appraisal-from-the-future" in str(denial.value.extra)


def test_a_failure_counts_although_the_clock_was_put_back(attesting: Attesting) -> None:
    bench = attesting.bench
    bench.clock.now += 24 * 3600
    assert attesting.attest()["verdict"] == "passed"
    attesting.attester.tpm.extend(PCR, b"something else")
    bench.clock.now -= 30  # less than two honest clocks may differ
    assert attesting.attest()["verdict"] == "failed"
    assert state(bench.context, bench.guid.raw) is DeviceState.FAILED


@pytest.mark.both
def test_a_service_that_was_killed_finds_the_lease_as_it_left_it(
    attesting: Attesting,
) -> None:
    assert attesting.attest()["verdict"] == "passed"
    bench = attesting.bench
    expires = latest(bench).at + LEASE
    for now, expected in (
        (expires, DeviceState.ATTESTED),
        (expires + 1, DeviceState.STALE),
    ):
        # The one before was not told to end: nothing of it is left but the database.
        context = open_context(bench.context.settings, Clock(now))
        assert state(context, bench.guid.raw) is expected
        assert Gate(context).situation(bench.guid.raw).appraisal == latest(bench)
        context.close()


@pytest.mark.both
def test_a_lease_that_ran_out_while_no_process_lived_is_over_in_the_next_one(
    attesting: Attesting,
) -> None:
    bench, now = attesting.bench, int(time.time())
    bindings = bench.context.stores.bindings
    bound = replace(bindings.get(bench.guid.raw), bound_at=now - 10 * LEASE)
    bindings.put(bound, "test")
    bench.clock.now = now - 2 * LEASE
    assert attesting.attest()["verdict"] == "passed"
    assert state(bench.context, bench.guid.raw) is DeviceState.ATTESTED
    keys = ApiKeyStore(bench.context.database)
    _, key = keys.create("reader", Role.OPERATOR, "test", now)
    for _ in range(2):  # the first one is killed, too
        assert shown_by_a_process(bench, key) == "stale"


def shown_by_a_process(bench: OwnerBench, key: str) -> str:
    """Ask a service that has just been started for the device, and kill it."""
    settings = bench.context.settings
    port_file = settings.key_directory.parent / "port"
    port_file.unlink(missing_ok=True)
    environment = {
        "VOUCHGATE_DATABASE_URL": settings.database_url,
        "VOUCHGATE_KEY_DIRECTORY": str(settings.key_directory),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(settings.key_passphrase_file),
    }
    serve = ["serve", "--role", "owner", "--port", "0", "--port-file", str(port_file)]
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "onboarding.cli", *serve],
        env={**os.environ, **environment},
    ) as process:
        try:
            while not port_file.exists():
                assert process.poll() is None
                time.sleep(0.05)
            url = f"http://127.0.0.1:{int(port_file.read_text())}"
            device = f"{url}/api/v1/devices/{bench.guid}"
            asked = httpx.get(
                device, headers={"X-API-Key": key}, trust_env=False, timeout=60
            )
        finally:
            process.kill()
    return str(asked.json()["state"])
