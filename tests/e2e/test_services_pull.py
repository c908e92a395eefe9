"""The pull channel: an agent on a real TPM, and the real Keylime in pull mode."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

import httpx
import pytest

from attestation.appraisal import Channel
from attestation.cohort import Cohort
from attestation.keylime.http import admin_http, device_http
from attestation.passport import key_digest
from attestation.policy import AttestationPolicy
from hw.public_area import PublicArea
from onboarding.services import rows
from onboarding.services.adoption import Adoption, Reported
from onboarding.services.drift import DriftDesk
from onboarding.services.errors import Problem
from onboarding.services.reconcile import KIND
from onboarding.store.appraisals import Outcome
from onboarding.store.direct import Sql
from onboarding.store.ek_acceptances import EkAcceptance
from tests.support.attester import Attester
from tests.support.attesting import PCR, hold_to
from tests.support.databases import NewDatabase
from tests.support.keylime_stack import require_keylime
from tests.support.owner_bench import NOW
from tests.support.pull_agent import PullAgent
from tests.support.pull_site import WAIT_SECONDS, PullSite, pull_site
from tests.support.swtpm import MakeSoftwareTpm

pytestmark = pytest.mark.sqlite_first

REFUSED = Reported(ak=bytes(32))


@dataclass
class Pulled(PullSite):
    """The device's TPM, and the agent that speaks for it."""

    agent: PullAgent
    attester: Attester


@pytest.fixture(scope="module")
def pulled(
    tmp_path_factory: pytest.TempPathFactory,
    make_software_tpm: MakeSoftwareTpm,
    databases: NewDatabase,
) -> Iterator[Pulled]:
    """With a TPM of its own: an agent that starts leaves its key in a PCR."""
    from hw.tpm import Tpm

    require_keylime()
    directory = tmp_path_factory.mktemp("pull")
    software = make_software_tpm("pull")
    with Tpm(software.start()) as tpm, pull_site(directory, databases) as site:
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        tpm.extend(PCR, b"what booted")
        agent = PullAgent(attester, site.pki.ca, directory)
        agent.register(site.registrar, site.name)
        (value,) = attester.allow(PCR)[PCR]
        hold_to(site.bench, AttestationPolicy("golden", 1, {PCR: (value,)}))
        yield Pulled(
            site.bench, site.link, site.hook, site.pki, site.stack, agent, attester
        )
        agent.close()
    software.stop()


def bound_to(pulled: Pulled) -> None:
    """Have the bench's record name the EK that the TPM has."""
    stores, raw = pulled.bench.context.stores, pulled.bench.guid.raw
    with pulled.agent.lock:
        ek = pulled.attester.tpm.endorsement_key()
    record = stores.bindings.get(raw)
    digest = key_digest(PublicArea.from_bytes(ek.public).key)
    stores.bindings.put(replace(record, ek_public=ek.public, ek_digest=digest), "test")


def test_an_agent_of_another_tpm_is_not_adopted(pulled: Pulled) -> None:
    with pytest.raises(Problem, match="another EK than was bound"):
        pulled.adopt()
    with pytest.raises(Problem, match="another EK than was bound"):
        pulled.adopt(Reported(ek=bytes(32)))


def test_a_device_without_an_agent_is_not_adopted(pulled: Pulled) -> None:
    situation = pulled.bench.gate.situation(pulled.bench.guid.raw)
    other = replace(situation, device=replace(situation.device, guid=uuid4().bytes))
    adoption = Adoption(pulled.bench.context, pulled.link.client)
    with pytest.raises(Problem, match="No Keylime agent"):
        adoption.bind(other, Reported(), "test")


def test_the_webhook_asks_for_keylimes_certificate(pulled: Pulled) -> None:
    settings = pulled.stack.client_settings()
    with device_http(settings) as http, pytest.raises(httpx.TransportError):
        http.post(pulled.hook, json={"msg": "{}"})
    with admin_http(settings) as http:
        assert http.post(pulled.hook, content=b"no JSON").status_code == 200
        assert http.post(pulled.hook, content=bytes(70_000)).status_code == 413
        assert http.get(pulled.hook).status_code == 405


def test_a_device_that_was_never_bound_is_adopted_by_the_ek_that_was_read_off_it(
    pulled: Pulled,
) -> None:
    context, raw = pulled.bench.context, pulled.bench.guid.raw
    stores, before = context.stores, context.stores.bindings.get(raw)
    context.database.direct.count(Sql("DELETE FROM bindings"), ())
    with pulled.agent.lock:
        ek = pulled.attester.tpm.endorsement_key()
    digest = key_digest(PublicArea.from_bytes(ek.public).key)
    with pytest.raises(Problem, match="nothing says which EK"):
        pulled.adopt()
    with pytest.raises(Problem, match="no valid path"):
        pulled.adopt(Reported(ek=digest))
    stores.ek_acceptances.add(EkAcceptance(digest, "in our workshop", NOW, "test"))
    pulled.adopt(Reported(ek=digest))
    bound = stores.bindings.get(raw)
    assert (bound.ek_class, bound.klass) == ("accepted-once", "key-outside-tpm")
    stores.bindings.put(before, "test")


def observing(pulled: Pulled) -> None:
    """Have its own policy observed on the device, and one that it would fail."""
    bench, stores = pulled.bench, pulled.bench.context.stores
    raw, now, here = bench.guid.raw, bench.context.now(), {"hall": "7"}
    golden = bench.gate.situation(raw).policy
    assert golden is not None
    strict = AttestationPolicy("strict", 1, {**golden.pcrs, 4: ("ab" * 32,)})
    stores.policies.add(rows.policy_record(strict, "test", now))
    for policy in (golden, strict):
        cohort = Cohort(policy.name, here, policy.name, policy.version)
        stores.cohorts.observe(cohort, "test", now)
    stores.devices.describe(raw, "test", now, labels=here)


def says_what_it_would(pulled: Pulled) -> None:
    """And it failed nobody."""
    observations = pulled.bench.context.stores.observations
    golden, strict = observations.of_device(pulled.bench.guid.raw)
    assert (golden.cohort, golden.outcome) == ("golden", Outcome.PASSED)
    assert strict.outcome is Outcome.FAILED
    assert "PCR 4 holds another value" in strict.failures[0].message


@pytest.mark.both
def test_an_agent_is_adopted_called_released_failed_and_withdrawn(
    pulled: Pulled,
) -> None:
    bench, stores = pulled.bench, pulled.bench.context.stores
    bound_to(pulled)
    with pytest.raises(Problem, match="another AK than was reported"):
        pulled.adopt(REFUSED)
    observing(pulled)
    pulled.adopt()
    binding = stores.bindings.get(bench.guid.raw)
    assert binding.channel == Channel.PULL.value
    assert binding.ak_public == pulled.attester.ak.public
    bench.assign()

    passed = pulled.watch(Outcome.PASSED)
    assert (passed.channel, passed.compared) == ("pull", (f"pcr:sha256:{PCR}",))
    assert passed.lease_expires is not None
    says_what_it_would(pulled)
    pulled.adopt()  # the same again binds nothing anew
    for wrong in (REFUSED, Reported(ek=bytes(32))):  # and says so, if it is not
        with pytest.raises(Problem, match=r"than was (bound or )?reported"):
            pulled.adopt(wrong)
    assert stores.bindings.get(bench.guid.raw) == binding

    pulled.watch(Outcome.PASSED)
    assert "ticket" in bench.ask()
    look = DriftDesk(bench.context, pulled.link).look()
    assert (look.agents, look.drifts) == (1, ())
    for task in stores.tasks.claim(KIND, "test", bench.context.now() + 60, 60):
        assert stores.tasks.done(task, "test")  # so that nothing is planned any more
    with pulled.agent.lock:
        pulled.attester.tpm.extend(PCR, b"something else")
    notified(pulled)
    failed = pulled.watch(Outcome.FAILED)
    assert failed.failures[0].kind == f"pcr_validation.invalid_pcr_{PCR}"
    assert f"PCR {PCR} holds another value" in failed.failures[0].message
    assert "removal_order" in bench.ask()

    other = pulled.attester.tpm.create_attestation_key("rsa")
    pulled.link.client.unregister(pulled.name)
    agent = replace(pulled.attester, ak=other)
    pulled.agent._attester = agent
    pulled.agent.register(pulled.registrar, pulled.name)
    poisoned, deadline = failed, time.monotonic() + WAIT_SECONDS
    while poisoned.failures[0].kind != "pull.other-keys":
        assert time.monotonic() < deadline, poisoned
        poisoned = pulled.watch(Outcome.FAILED, at_once=True)


def notified(pulled: Pulled) -> None:
    """Wait until Keylime's notification has planned a look at the device."""
    tasks, deadline = pulled.bench.context.stores.tasks, time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        pulled.bench.clock.now = time.time()
        if tasks.claim(KIND, "notified", pulled.bench.context.now(), 1):
            return
        time.sleep(0.1)
    raise AssertionError("Keylime has told the webhook nothing")
