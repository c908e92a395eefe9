"""Traces as a collector gets them: over real OTLP, from services and a real Keylime."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.stack import KeylimeStack
from onboarding.protocol.errors import PeerFailed
from onboarding.services import reconcile, reconcile_round
from onboarding.services.context import open_context
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.otlp import OtlpSpans
from onboarding.services.reconcile import ReconcileWork
from onboarding.services.reconcile_round import ReconcileRound
from onboarding.services.settings import Role
from onboarding.services.webhooks import Webhooks, new_secret, seal
from onboarding.store.events import Event
from tests.support.attester import Attester, completed
from tests.support.attesting import PCR, attesting_device, measured
from tests.support.collector import attributes, collector
from tests.support.fdo_chain import joined
from tests.support.pushing import pushing_device
from tests.support.receiver import receiving
from tests.support.services import PASSPHRASE, Site, Wire
from tests.support.soft_device import SoftDevice

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytest.importorskip("opentelemetry.sdk", reason="extra 'otel' not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)


def test_each_run_of_fdo_is_one_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as found:
        monkeypatch.setenv("VOUCHGATE_OTEL_ENDPOINT", found.url)
        for chain in joined(tmp_path, KeyAlgorithm.P256):
            device = SoftDevice.made_at(Wire.to(chain.factory.url), "SN-7")
            guid = device.credential.guid
            stranger = SoftDevice.made_at(Wire.to(chain.factory.url), "SN-8")
            with pytest.raises(PeerFailed):  # the owner never had its voucher
                stranger.onboard(Wire.to(chain.owner.url))
            assert chain.take(chain.sell(device)).status_code == 200
            device.onboard(Wire.to(chain.owner.url))
            secrets = (chain.factory_key, chain.owner_key, PASSPHRASE.decode())

    hellos = {one["serial"]: one["reply"] for one in found.named("FDO 10")}
    assert hellos == {"SN-7": 11, "SN-8": 11}
    refused, taken = sorted(found.named("FDO 60"), key=lambda one: "error" not in one)
    assert refused["error"] == "NotFound"
    assert "error" not in taken
    to2 = [
        one
        for one in found.spans
        if one.name in {"FDO 60", "FDO 64", "FDO 70"}
        and one.trace_id.hex() == taken["run"]
    ]
    assert {one.name for one in to2} == {"FDO 60", "FDO 64", "FDO 70"}
    assert {one["guid"] for one in found.named("FDO 70")} == {guid.hex}
    roles = {one["role"] for one in found.resources}
    assert {"manufacturing", "owner"} <= roles
    for secret in (*secrets, "Bearer"):
        assert secret.encode() not in found.received


def test_appraisal_decision_and_release_are_told_of_a_device(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm"
) -> None:
    with collector() as found:
        with attesting_device(
            tmp_path, keylime_stack, measured(tpm), otel_endpoint=found.url
        ) as attesting:
            bench = attesting.bench
            digest = bench.assign()
            attesting.attest()
            assert "ticket" in bench.ask()

    guid = bench.guid.hex
    (appraisal,) = found.named("appraisal")
    assert appraisal == {"guid": guid, "verdict": "passed", "policy": "golden"}
    (asked,) = [one for one in found.spans if one.name == "keylime.verify_evidence"]
    (around,) = [one for one in found.spans if one.name == "appraisal"]
    assert asked.parent_span_id == around.span_id
    assert {"guid": guid, "decision": "allow"} in found.named("decision")
    assert found.named("release") == [{"guid": guid, "manifest": digest}]


def test_the_push_channel_is_told_from_its_proxy_to_the_look_at_it(
    tmp_path: Path, keylime_stack: KeylimeStack, pusher: Attester
) -> None:
    pusher.tpm.extend(PCR, b"what booted")
    with collector() as found:
        with pushing_device(
            tmp_path, keylime_stack, pusher, otel_endpoint=found.url
        ) as pushing:
            bench, link = pushing.bench, pushing.link
            context, tasks = bench.context, bench.context.stores.tasks
            bench.clock.now = time.time()  # Keylime's own clock says when it took it
            bound = replace(context.stores.bindings.get(bench.guid.raw), bound_at=0)
            context.stores.bindings.put(bound, "test")
            pushing.enrol()
            pushing.push_agent().attest()
            assert completed(pushing.client, pushing.agent, 0).passed
            bench.clock.now += 60
            reconcile_round.begin(context.stores, context.now())
            for kind, work in (
                (reconcile_round.KIND, ReconcileRound(context, link)),
                (reconcile.KIND, ReconcileWork(context, bench.gate, link)),
            ):
                for task in tasks.claim(kind, "test", context.now(), 60):
                    work.run(task, "test")
            with pytest.raises(KeylimeError):
                link.client.verifier("GET", f"/v2.6/agents/{pushing.agent}/none")
            scraped = generate_latest(context.meters.registry).decode()
            session = pushing.session()

    guid = bench.guid.hex
    spans = {one.span_id: one for one in found.spans}
    calls = [one for one in found.spans if one.name == "keylime.forwarded"]
    assert len(calls) == 4  # open a session, prove it, announce, send evidence
    above = [spans[one.parent_span_id] for one in calls]
    assert {(one.name, attributes(one)["guid"]) for one in above} == {
        ("keylime.proxy", guid)
    }
    (seen,) = [
        one for one in found.named("reconcile.round") if one["channel"] == "push"
    ]
    assert (seen["watched"], seen["news"], seen["absent"]) == (1, 1, 0)
    assert {"guid": guid, "channel": "push"} in found.named("reconcile")
    (appraisal,) = [one for one in found.spans if one.name == "appraisal"]
    assert spans[appraisal.parent_span_id].name == "reconcile"
    # The registrar's calls name the device; those of sessions never say which.
    assert guid in {one.get("guid") for one in found.named("keylime.registrar")}
    for part, answer in (
        ("registrar", "2xx"),
        ("verifier", "2xx"),
        ("verifier", "4xx"),
        ("evidence", "2xx"),
        ("forwarded", "2xx"),
    ):
        labels = f'{{part="{part}",status="{answer}"}}'
        assert f"vouchgate_keylime_call_seconds_count{labels}" in scraped
    for secret in (session, "Bearer", "sessions/"):
        assert secret.encode() not in found.received


def test_what_failed_is_told_by_its_class_and_not_in_a_peers_words() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = OtlpSpans(provider)
    with pytest.raises(KeylimeError), spans.span("keylime.verifier"):
        raise KeylimeError("status 400: what somebody answered")
    (told,) = exporter.get_finished_spans()
    assert dict(told.attributes or {}) == {"vouchgate.error": "KeylimeError"}
    assert not told.status.is_ok
    assert "somebody" not in told.to_json()


def test_a_delivery_of_a_webhook_is_told_with_its_answer(tmp_path: Path) -> None:
    with collector() as found, receiving() as receiver:
        settings = Site(tmp_path).settings(
            Role.OWNER, webhook_networks=("127.0.0.0/8",), otel_endpoint=found.url
        )
        context = open_context(settings)
        stores, now = context.stores, context.now()
        sealed = seal(context, new_secret())
        hook = stores.webhooks.add(f"{receiver.url}/in", ("a",), sealed, "test", now)
        stores.events.append(Event("a", "test", now))
        receiver.answers += [500]
        work = Webhooks(context)
        (claim,) = work._due()
        work.send(claim)
        context.close()
    (told,) = found.named("webhook.delivery")
    assert told == {
        "webhook": hook.id,
        "event": claim.seq,
        "attempt": 1,
        "status": 500,
    }
    assert b"/in" not in found.received


def test_a_collector_that_is_not_there_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHGATE_OTEL_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    for chain in joined(tmp_path, KeyAlgorithm.P256):
        device = SoftDevice.made_at(Wire.to(chain.factory.url))
        assert chain.take(chain.sell(device)).status_code == 200


def test_services_load_nothing_of_it_when_it_is_off() -> None:
    program = (
        "import sys; from onboarding.services import server;"
        " from onboarding.services.otlp import open_spans;"
        " from onboarding.services.settings import Settings; handler = object();"
        " assert open_spans(Settings()).around(handler) is handler;"
        " sys.exit('opentelemetry.sdk' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603
