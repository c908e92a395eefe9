"""Event logs over the pull channel: the real verifier judges them by our engine."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attestation.appraisal import Channel
from attestation.cohort import Cohort
from attestation.keylime import settings
from attestation.keylime.boot_probe import require_engine
from attestation.keylime.boot_reference import NOT_LISTED
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError, KeylimeUnavailable
from attestation.keylime.http import admin_transport
from attestation.keylime.pull import PullVerifier
from attestation.keylime.results import Contact
from attestation.keylime.stack import KeylimeStack
from attestation.passport import key_digest
from attestation.policy import AttestationPolicy
from hw.public_area import PublicArea
from onboarding.services import rows
from onboarding.services.agent_looks import AgentLooks
from onboarding.services.api.cohorts import EnforceIn, enforce_cohort
from onboarding.services.api.conditions import ALWAYS
from onboarding.services.api.device_settings import PolicyChoice, put_policy
from onboarding.services.api.learning import post_learning
from onboarding.services.device_api.readiness import ready
from onboarding.services.drift import DriftDesk
from onboarding.services.errors import Problem
from onboarding.services.keylime_link import require_pull
from onboarding.services.pull import PullWatch, enrol_pull
from onboarding.services.rollout import preview
from onboarding.store.apikeys import ApiKey, Role
from onboarding.store.appraisals import AppraisalRecord, Outcome
from tests.support.attester import Attester
from tests.support.attesting import hold_to
from tests.support.boot_logs import recorded_log
from tests.support.booted import (
    BOOT,
    NAME,
    learnt_policy,
    of_pcr_11,
    with_another_command_line,
)
from tests.support.databases import NewDatabase
from tests.support.keylime_stack import require_keylime
from tests.support.liar import saying
from tests.support.pull_agent import PullAgent
from tests.support.pull_site import WAIT_SECONDS, PullSite, pull_site
from tests.support.replayed_boot import measure
from tests.support.swtpm import MakeSoftwareTpm
from tests.support.tpm_statements import SoftAk

pytestmark = pytest.mark.sqlite_first

KEY = ApiKey("1", "one", Role.SECURITY, 0, "test", None, None)


@dataclass
class Pulled(PullSite):
    """The agent of a machine that booted as recorded, and its TPM."""

    agent: PullAgent
    attester: Attester

    def hold_to(self, policy: AttestationPolicy) -> None:
        """Enrol it anew under another policy."""
        hold_to(self.bench, policy)
        situation = self.bench.gate.situation(self.bench.guid.raw)
        enrol_pull(self.bench.context.stores, self.link, situation)

    def fails(self, kind: str, words: str = "") -> AppraisalRecord:
        """Watch until it is told of such a failure, in those words.

        The verifier notifies each failure once, and a word that is lost is lost: then
        it is enrolled anew.
        """
        begun = again = time.monotonic()
        while True:
            (failure, *_) = (found := self.watch(Outcome.FAILED)).failures
            if failure.kind == kind and words in failure.message:
                return found
            now = time.monotonic()
            assert now < begun + WAIT_SECONDS, failure
            if now > again + 5:
                self.adopt()
                again = now
            time.sleep(0.1)


@pytest.fixture(scope="module")
def pulled(
    tmp_path_factory: pytest.TempPathFactory,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> Iterator[Pulled]:
    from hw.tpm import Tpm

    require_keylime()
    directory = tmp_path_factory.mktemp("pull")
    software = make_software_tpm("pull-boot")
    with Tpm(software.start()) as tpm, pull_site(directory, databases) as site:
        measure(tpm, recorded_log(BOOT))
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        agent = PullAgent(attester, site.pki.ca, directory)
        agent.booted = recorded_log(BOOT)
        agent.register(site.registrar, site.name)
        hold_to(site.bench, learnt_policy())
        _bound_to(site, attester)
        yield Pulled(
            site.bench, site.link, site.hook, site.pki, site.stack, agent, attester
        )
        agent.close()
    software.stop()


def _bound_to(site: PullSite, attester: Attester) -> None:
    """Have the bench's record name the EK that the TPM has."""
    bindings, raw = site.bench.context.stores.bindings, site.bench.guid.raw
    ek = attester.tpm.endorsement_key().public
    digest = key_digest(PublicArea.from_bytes(ek).key)
    record = replace(bindings.get(raw), ek_public=ek, ek_digest=digest)
    bindings.put(record, "test")


@pytest.mark.both
def test_a_boot_passes_and_another_is_refused_by_its_event(pulled: Pulled) -> None:
    bench = pulled.bench
    pulled.adopt()
    bench.assign()
    passed = pulled.watch(Outcome.PASSED)
    assert passed.channel == "pull"
    assert {*learnt_policy().required, "boot:sha256:8"} < {*passed.compared}
    assert "ticket" in bench.ask()
    assert DriftDesk(bench.context, pulled.link).look().drifts == ()

    pulled.hold_to(with_another_command_line())
    failed = pulled.fails(NOT_LISTED, 'kernel command line: "/vmlinuz console=ttyS0')
    assert (failed.policy_version, failed.compared) == (2, ())
    assert 'the policy has kernel command line: "quiet"' in failed.failures[0].message
    assert "removal_order" in bench.ask()


def test_in_an_update_each_version_of_the_boot_has_its_turn(pulled: Pulled) -> None:
    """It booted as version 2 does; what neither version allows fails."""
    bench, stores = pulled.bench, pulled.bench.context.stores
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
    stores.cohorts.update(held, 2, bytes(32), now + 1000, "test", now)
    before = {one.id for one in stores.appraisals.page(raw).items}
    pulled.adopt()
    passed = pulled.watch(Outcome.PASSED)
    assert passed.policy_version == 2
    assert {*new.required} < {*passed.compared}
    since = [one for one in stores.appraisals.page(raw).items if one.id not in before]
    assert {one.outcome for one in since} == {Outcome.PASSED}

    log, pulled.agent.booted = pulled.agent.booted, b""
    failed = pulled.watch(Outcome.FAILED)
    assert failed.failures[0].kind == "pcr_validation.unused_pcr_0"
    pulled.agent.booted = log
    stores.devices.describe(raw, "test", now, labels={})


def contact_of(pulled: Pulled) -> Contact:
    entry = pulled.link.client.registered(pulled.name)
    assert entry is not None
    assert entry.contact is not None
    return entry.contact


def test_an_agent_shows_the_owner_itself_what_booted(pulled: Pulled) -> None:
    agents, contact, bench = pulled.link.agents, contact_of(pulled), pulled.bench
    assert agents is not None
    situation = bench.gate.situation(bench.guid.raw)
    looks = AgentLooks(bench.context, agents, pulled.link.client)
    made = looks.look(situation, learnt_policy(), contact).made
    assert made.passed
    assert {*learnt_policy().required} < {*made.record.compared}
    assert made.record.clock

    made = looks.look(situation, with_another_command_line(), contact).made
    (failure, *_) = made.record.failures
    assert (failure.kind, "command line" in failure.message) == ("boot.event", True)
    log, pulled.agent.booted = pulled.agent.booted, b""
    made = looks.look(situation, learnt_policy(), contact).made
    pulled.agent.booted = log
    assert [one.kind for one in made.record.failures] == ["boot.no-log"]
    assert situation.binding is not None
    other = replace(situation.binding, ak_public=SoftAk.new("rsa").public)
    other_ak = replace(situation, binding=other)
    made = looks.look(other_ak, learnt_policy(), contact).made
    assert [one.kind for one in made.record.failures] == ["quote.refused"]
    assert (made.by_policy, made.quote) == (False, None)


def test_a_log_that_leaves_an_event_out_does_not_pass(pulled: Pulled) -> None:
    pulled.adopt()
    with pulled.agent.lock:
        pulled.attester.tpm.extend(8, b"another command")
    pulled.hold_to(learnt_policy())
    pulled.fails("measured_boot.invalid_pcr_8", "the event log gives")


def test_no_log_does_not_pass(pulled: Pulled) -> None:
    pulled.adopt()
    pulled.agent.booted = b""
    pulled.hold_to(learnt_policy())
    pulled.fails("pcr_validation.unused_pcr_0")


def test_events_that_the_verifier_holds_to_no_log_are_not_carried(
    pulled: Pulled,
) -> None:
    pulled.hold_to(of_pcr_11())
    assert require_pull(pulled.link).status(pulled.name) is None
    situation = pulled.bench.gate.situation(pulled.bench.guid.raw)
    with pytest.raises(Problem, match="events of PCR 11") as refused:
        ready(situation, Channel.PULL)
    assert refused.value.code == "not-carried"

    context, body = pulled.bench.context, PolicyChoice(policy=NAME, version=3)
    with pytest.raises(Problem, match="would never be fresh"):  # and when it is said
        put_policy(pulled.name, body, context, KEY, ALWAYS)
    good = PolicyChoice(policy=NAME, version=2)
    assert put_policy(pulled.name, good, context, KEY, ALWAYS)


def test_a_cohort_does_not_enforce_what_its_devices_cannot_show(
    pulled: Pulled,
) -> None:
    pulled.hold_to(of_pcr_11())
    context, raw = pulled.bench.context, pulled.bench.guid.raw
    now, stores = context.now(), context.stores
    stores.devices.describe(raw, "test", now, labels={"site": "berlin"})
    cohort = Cohort("berlin", {"site": "berlin"}, NAME, 3)
    stores.cohorts.observe(cohort, "test", now)
    body = EnforceIn(preview=preview(context, cohort).digest)
    with pytest.raises(Problem, match="Cohort berlin has 1 there") as no:
        enforce_cohort("berlin", body, context, KEY)
    assert no.value.code == "not-carried"

    stores.devices.describe(raw, "test", now, labels={})
    body = EnforceIn(preview=preview(context, cohort).digest)
    assert enforce_cohort("berlin", body, context, KEY)["mode"] == "enforce"


def test_nothing_is_learnt_from_an_agent_that_is_called(pulled: Pulled) -> None:
    with pytest.raises(Problem, match="keeps nothing") as refused:
        post_learning(pulled.name, pulled.bench.context, KEY)
    assert refused.value.code == "not-learnable"
    assert not pulled.bench.context.stores.learnings.wanted(pulled.bench.guid.raw)


def test_who_does_not_show_the_agents_certificate_is_no_agent(pulled: Pulled) -> None:
    agents, there = pulled.link.agents, contact_of(pulled)
    assert agents is not None
    ours = pulled.stack.client_settings().cert.read_text()
    for wrong in (replace(there, certificate=ours), replace(there, port=1)):
        with pytest.raises(KeylimeUnavailable, match="gives no answer"):
            agents.ask(wrong, {0})


def test_a_verifier_that_passes_what_the_agent_does_not_show_is_not_believed(
    pulled: Pulled,
) -> None:
    """The true verifier's entry under a policy, with a pass that it never gave."""
    bench, link, client = pulled.bench, pulled.link, require_pull(pulled.link).client
    pulled.hold_to(AttestationPolicy("pinned", 1, {8: ("ab" * 32,)}))
    pulled.fails("pcr_validation.invalid_pcr_8")
    entry = json.loads(client.verifier("GET", f"/v2.6/agents/{pulled.name}")[1])
    ago = int(time.time()) - 5
    lie = {"operational_state": 3, "attestation_count": 9, "last_event_id": None}
    lie |= {"last_received_quote": ago, "last_successful_attestation": ago}
    known = pulled.stack.client_settings()
    situation = bench.gate.situation(bench.guid.raw)
    with saying({**entry["results"], **lie}) as url, admin_transport(known) as way:
        lying = PullVerifier(KeylimeClient(way, replace(known, verifier_url=url)))
        held = PullWatch(bench.context, replace(link, pull=lying)).look(situation)
        believing = replace(link, pull=lying, agents=None)
        believed = PullWatch(bench.context, believing).look(situation)
    assert held is not None
    assert held.outcome is Outcome.FAILED
    assert held.failures[0].kind == "pcr_validation.invalid_pcr_8"
    assert believed is not None
    assert believed.outcome is Outcome.PASSED


def test_a_verifier_that_judges_otherwise_is_not_believed(
    tmp_path: Path, pulled: Pulled, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_engine(require_pull(pulled.link).client)
    monkeypatch.setattr(settings, "ENGINE_NAME", "accept-all")
    monkeypatch.setattr(settings, "ENGINE_MODULE", "keylime.mba.elchecking.example")
    with KeylimeStack(tmp_path) as stack:
        found = stack.client_settings()
        with admin_transport(found) as way, pytest.raises(KeylimeError, match="engine"):
            require_engine(KeylimeClient(way, found))
