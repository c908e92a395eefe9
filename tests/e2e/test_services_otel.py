"""Traces as a collector gets them: over real OTLP, from services and a real Keylime."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.keylime.stack import KeylimeStack
from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from tests.support.attesting import attesting_device, measured
from tests.support.collector import collector
from tests.support.fdo_chain import joined
from tests.support.services import PASSPHRASE, Wire
from tests.support.soft_device import SoftDevice

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytest.importorskip("opentelemetry.sdk", reason="extra 'otel' not installed")


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
        more = {"otel_endpoint": found.url}
        with attesting_device(
            tmp_path, keylime_stack, measured(tpm), **more
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
