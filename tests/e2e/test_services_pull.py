"""The pull channel: an agent on a real TPM, and the real Keylime in pull mode."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from attestation.appraisal import Channel
from attestation.keylime.http import admin_http, device_http
from attestation.keylime.pki import Pki, ensure_pki
from attestation.keylime.results import VerifierMode
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from attestation.passport import key_digest
from attestation.policy import AttestationPolicy
from hw.public_area import PublicArea
from onboarding.services.errors import Problem
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.keylime_webhook import listener
from onboarding.services.pull import Adoption, Reported, enrol_pull
from onboarding.services.reconcile import KIND, ReconcileWork
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.direct import Sql
from onboarding.store.ek_acceptances import EkAcceptance
from onboarding.store.errors import NotFound
from tests.support.attester import Attester
from tests.support.attesting import PCR, hold_to
from tests.support.keylime_stack import require_keylime
from tests.support.owner_bench import NOW, OwnerBench, owner_bench
from tests.support.pull_agent import PullAgent

if TYPE_CHECKING:
    from hw.tpm import Tpm

WAIT_SECONDS = 120.0
REFUSED = Reported(ak=bytes(32))


@dataclass
class Pulled:
    """An owner with a device whose TPM a pull agent speaks for."""

    bench: OwnerBench
    link: KeylimeLink
    agent: PullAgent
    attester: Attester
    registrar: str
    hook: str
    pki: Pki
    stack: KeylimeStack

    @property
    def name(self) -> str:
        return str(self.bench.guid)

    def adopt(self, reported: Reported | None = None) -> None:
        """As the route does it."""
        bench, context = self.bench, self.bench.context
        bench.clock.now = time.time()  # Keylime has the time of day
        situation = bench.gate.situation(bench.guid.raw)
        Adoption(context, self.link.client).bind(
            situation, reported or Reported(), "test"
        )
        enrol_pull(self.link, bench.gate.situation(bench.guid.raw))
        context.stores.devices.enrolled(bench.guid.raw, "pull", "test", context.now())

    def watch(self, outcome: Outcome) -> AppraisalRecord:
        """Look as the worker does, until that comes of it."""
        bench, stores = self.bench, self.bench.context.stores
        work = ReconcileWork(bench.context, bench.gate, self.link)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            bench.clock.now = time.time()
            stores.tasks.enqueue(KIND, bench.guid.raw.hex(), bench.context.now())
            for task in stores.tasks.claim(KIND, "test", bench.context.now(), 60):
                work.run(task, "test")
            try:
                found = stores.appraisals.latest(bench.guid.raw)
            except NotFound:
                found = None
            if found is not None and found.outcome is outcome:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no appraisal {outcome} in time")


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory, tpm: "Tpm") -> Iterator[Pulled]:
    require_keylime()
    directory = tmp_path_factory.mktemp("pull")
    (directory / "owner").mkdir()
    pki = ensure_pki(directory / "keylime" / "pki")
    hook = {
        "keylime_webhook_port": 0,
        "keylime_webhook_certificate": pki.certificate("webhook"),
        "keylime_webhook_key": pki.key("webhook"),
    }
    attester = Attester(tpm, tpm.create_attestation_key("rsa"))
    tpm.extend(PCR, b"what booted")
    with ExitStack() as stack:
        # The port of the webhook has to be known before Keylime is started.
        bound = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"https://127.0.0.1:{bound.getsockname()[1]}/"
        options = StackOptions(mode=VerifierMode.PULL, webhook_url=url)
        keylime = stack.enter_context(KeylimeStack(directory / "keylime", options))
        where = keylime.client_settings()
        settings: dict[str, Any] = {
            "keylime_verifier_url": where.verifier_url,
            "keylime_pull_url": where.verifier_url,
            "keylime_registrar_url": where.registrar_url,
            "keylime_registrar_http_url": where.registrar_http_url,
            "keylime_ca": where.ca,
            "keylime_cert": where.cert,
            "keylime_key": where.key,
            **hook,
        }
        bench = stack.enter_context(owner_bench(directory / "owner", **settings))
        server = listener(bench.context, bench.context.settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        stack.callback(thread.join, 30)
        stack.callback(setattr, server, "should_exit", True)
        link = KeylimeLink.open(bench.context.settings)
        assert link is not None
        stack.callback(link.close)
        agent = PullAgent(attester, pki.ca, directory)
        stack.callback(agent.close)
        agent.register(where.registrar_http_url, str(bench.guid))
        (value,) = attester.allow(PCR)[PCR]
        hold_to(bench, AttestationPolicy("golden", 1, {PCR: (value,)}))
        registrar = where.registrar_http_url
        yield Pulled(bench, link, agent, attester, registrar, url, pki, keylime)


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


def test_an_agent_is_adopted_called_released_failed_and_withdrawn(
    pulled: Pulled,
) -> None:
    bench, stores = pulled.bench, pulled.bench.context.stores
    bound_to(pulled)
    with pytest.raises(Problem, match="another AK than was reported"):
        pulled.adopt(REFUSED)
    pulled.adopt()
    binding = stores.bindings.get(bench.guid.raw)
    assert binding.channel == Channel.PULL.value
    assert binding.ak_public == pulled.attester.ak.public
    bench.assign()

    passed = pulled.watch(Outcome.PASSED)
    assert (passed.channel, passed.compared) == ("pull", (f"pcr:sha256:{PCR}",))
    assert passed.lease_expires is not None
    pulled.adopt()  # the same again binds nothing anew
    assert stores.bindings.get(bench.guid.raw) == binding

    pulled.watch(Outcome.PASSED)
    assert "ticket" in bench.ask()
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
    poisoned = pulled.watch(Outcome.FAILED)
    while poisoned.failures[0].kind != "pull.other-keys":
        poisoned = pulled.watch(Outcome.FAILED)


def notified(pulled: Pulled) -> None:
    """Wait until Keylime's notification has planned a look at the device."""
    tasks, deadline = pulled.bench.context.stores.tasks, time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        pulled.bench.clock.now = time.time()
        if tasks.claim(KIND, "notified", pulled.bench.context.now(), 1):
            return
        time.sleep(0.1)
    raise AssertionError("Keylime has told the webhook nothing")
