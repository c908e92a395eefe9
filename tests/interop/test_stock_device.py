"""A stock FDO client and a stock Keylime agent, served by our three services.

Nothing of ours runs on the device: the owner's plan configures the agent over
fdo.download and fdo.command; then Keylime's verifier calls it, or it the verifier.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from attestation.keylime.boot_reference import NOT_LISTED
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.results import VerifierMode
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from attestation.passport import key_digest
from hw.public_area import PublicArea
from hw.swtpm import ek_ca_certificates
from onboarding.device.workload import Change
from tests.support.attester import Attester, register
from tests.support.boot_logs import recorded_log
from tests.support.booted import (
    BOOT,
    NAME,
    learnt_policy,
    with_another_command_line,
)
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.services import Trade, trading, wait_for
from tests.support.interop.stock_device import (
    PULLED,
    PUSHING,
    RAN,
    StockDevice,
    stock_device,
)
from tests.support.keylime_stack import require_keylime
from tests.support.pushing import outsider
from tests.support.replayed_boot import measure
from tests.support.running import run, runtime_policy

if TYPE_CHECKING:
    from tests.support.swtpm import MakeSoftwareTpm

PAIR = "go-fdo-client as device, with {0}; our three services and Keylime"
PULL, PUSH = PAIR.format(PULLED.name), PAIR.format(PUSHING.name)
PCR = 8
LIST = "ran"  # its version 1 allows what ran, version 2 less


@dataclass(frozen=True)
class PullTrade:
    """The three services, the Keylime whose verifier calls agents, and another that
    agents call."""

    trade: Trade
    stack: KeylimeStack
    verifier: str

    @property
    def registrar(self) -> str:
        return self.stack.client_settings().registrar_http_url


@dataclass(frozen=True)
class Chip:
    """A TPM that booted something: where it is, its EK's digest, what PCR 8 holds."""

    tcti: str
    ek_digest: str
    value: str


@pytest.fixture(scope="module")
def pull(
    tmp_path_factory: pytest.TempPathFactory, ek_ca: Path, go: GoPeers, chip: Chip
) -> Iterator[PullTrade]:
    """An owner that trusts the TPM's maker, and takes keys outside a TPM for FDO."""
    require_keylime()
    directory = tmp_path_factory.mktemp("pull")
    with ExitStack() as opened:
        options = StackOptions(mode=VerifierMode.PULL)
        stack = opened.enter_context(KeylimeStack(directory / "keylime", options))
        where = stack.client_settings()
        shutil.copytree(directory / "keylime/pki", directory / "push/pki")
        options = StackOptions(quote_interval=1)
        called = opened.enter_context(KeylimeStack(directory / "push", options))
        verifier = called.client_settings().verifier_url
        settings = {
            "keylime_verifier_url": verifier,
            "keylime_pull_url": where.verifier_url,
            "keylime_registrar_url": where.registrar_url,
            "keylime_registrar_http_url": where.registrar_http_url,
            "keylime_ca": where.ca,
            "keylime_cert": where.cert,
            "keylime_key": where.key,
        }
        (directory / "trade").mkdir()
        trade = opened.enter_context(
            trading(directory / "trade", settings, every_key=False)
        )
        owner = trade.owner
        owner.send("/ek-roots", b"".join(ek_ca_certificates(ek_ca)))
        owner.send("/service-info/files?name=keylime-ca.crt", where.ca.read_bytes())
        accepted = ["key-outside-tpm", "tpm-bound"]
        release = {"kind": "release", "name": "default", "accepted_binding": accepted}
        owner.call("POST", "/policies", release)
        golden = {
            "kind": "attestation",
            "name": "golden",
            "pcrs": {PCR: [chip.value]},
        }
        owner.call("POST", "/policies", golden)
        for boot in (learnt_policy(), with_another_command_line()):
            owner.call("POST", "/policies", {**boot.to_json(), "kind": "attestation"})
        for allowed in (RAN, RAN[:1]):
            kept = owner.send("/runtime-policies", runtime_policy(allowed))
            listing = {**golden, "name": LIST, "runtime_policy": kept["digest"]}
            owner.call("POST", "/policies", listing)
        files = [{"path": "app.container", "text": "[Container]\n"}]
        manifest = {"name": "app", "version": 1, "kind": "quadlet", "files": files}
        owner.call("POST", "/manifests", manifest)
        yield PullTrade(trade, stack, verifier)


@pytest.fixture(scope="module")
def chip(make_software_tpm: "MakeSoftwareTpm") -> Chip:
    return booted(make_software_tpm("stock").start())


def booted(tcti: str) -> Chip:
    from hw.tpm import Tpm

    with Tpm(tcti) as tpm:
        measure(tpm, recorded_log(BOOT))
        run(tpm, RAN)
        ek = PublicArea.from_bytes(tpm.endorsement_key().public)
        return Chip(tcti, key_digest(ek.key).hex(), tpm.read_pcrs("sha256", [PCR])[PCR])


def held(pull: PullTrade, device: StockDevice) -> str:
    """Hold the device to the golden policy, and give it a workload; its path."""
    path = f"/devices/{device.guid}"
    owner = pull.trade.owner
    owner.call("PUT", f"{path}/policy", {"policy": "golden", "version": 1})
    owner.call("PUT", f"{path}/assignment", {"manifest": "app", "version": 1})
    return path


@pytest.mark.interop(PULL)
def test_its_agent_is_configured_adopted_and_called_and_its_workload_released(
    go: GoPeers,
    pull: PullTrade,
    chip: Chip,
    other_tpm: "Any",
    client: httpx.Client,
    tmp_path: Path,
) -> None:
    trade = pull.trade
    with stock_device(
        go.program("go-fdo-client"), tmp_path, chip.tcti, PULLED
    ) as device:
        device.client.initialise(trade.factory.url)
        reported = device.onboard(trade, pull.registrar, chip.tcti)
        assert reported == chip.ek_digest
        path = held(pull, device)
        refused = device.adopted(trade, ek_digest=reported, ak_digest="00" * 32)
        assert "another AK than was reported" in refused["detail"]
        adopted = device.adopted(trade, ek_digest=reported)
        assert (adopted["channel"], adopted["class"]) == ("pull", "key-outside-tpm")
        assert adopted["ek_class"] == "vendor-trusted"
        trade.reached(str(device.guid), "attested")
        (first, *_) = trade.owner.call("GET", f"{path}/appraisals")["items"]
        assert (first["channel"], first["compared"]) == ("pull", [f"pcr:sha256:{PCR}"])
        under_boots(trade, path, 1)
        (why, *_) = under_boots(trade, path, 2)["failures"]
        assert why["type"] == NOT_LISTED
        under_lists(trade, path)
        under_boots(trade, path, 1)
        trade.reached(str(device.guid), "attested")
        gate = device.workload(client, trade)
        assert gate.sync().change is Change.APPLIED
        trade.reached(str(device.guid), "released")

        # Somebody at the registrar has its entry dropped, and enters another TPM.
        thief = Attester(other_tpm, other_tpm.create_attestation_key("rsa"))
        poison(pull.stack, str(device.guid), thief)
        trade.reached(str(device.guid), "failed", "withdrawn")
        (last, *_) = trade.owner.call("GET", f"{path}/appraisals")["items"]
        assert last["failures"][0]["type"] == "pull.other-keys"
        assert gate.sync().change is Change.REMOVED
        assert trade.reached(str(device.guid), "withdrawn")["removal"] == "proven"


def under_boots(trade: Trade, path: str, version: int) -> dict[str, Any]:
    """Hold it to a policy of its boot's events; the first verdict under that."""
    found = under(trade, path, NAME, version)
    assert (f"boot:sha256:{PCR}" in found["compared"]) is (version == 1)
    return found


def under_lists(trade: Trade, path: str) -> None:
    """Hold it to what ran, and to less."""
    assert f"ima-entries:{len(RAN)}" in under(trade, path, LIST, 1)["compared"]
    (why, *_) = under(trade, path, LIST, 2)["failures"]
    assert why["type"].startswith("ima.")


def under(trade: Trade, path: str, name: str, version: int) -> dict[str, Any]:
    """Hold it to a policy, of which version 1 is true; the first verdict under that."""
    chosen = {"policy": name, "version": version}
    before = trade.owner.call("GET", f"{path}/appraisals")["items"][0]["id"]
    trade.owner.call("PUT", f"{path}/policy", chosen)
    found: list[dict[str, Any]] = []

    def judged() -> bool:
        (newest, *_) = trade.owner.call("GET", f"{path}/appraisals")["items"]
        named = newest["policy"], newest["policy_version"]
        if newest["id"] != before and named == (name, version):
            found.append(newest)
        return bool(found)

    wait_for(judged, lambda: f"nothing under {chosen}")
    passed = version == 1
    assert found[0]["verdict"] == ("passed" if passed else "failed"), found
    return found[0]


def poison(stack: KeylimeStack, agent: str, thief: Attester) -> None:
    from attestation.keylime.errors import KeylimeError

    with outsider(stack) as keylime:
        with pytest.raises(KeylimeError):
            keylime.activate(agent, "00" * 48)
        secret = register(keylime, agent, thief)
        keylime.activate(agent, auth_tag(secret, agent))


@pytest.mark.interop(PULL)
def test_its_agent_on_another_tpm_than_it_reported_is_refused(
    go: GoPeers,
    pull: PullTrade,
    chip: Chip,
    make_software_tpm: "MakeSoftwareTpm",
    tmp_path: Path,
) -> None:
    trade, other = pull.trade, make_software_tpm("not the reported one").start()
    with stock_device(go.program("go-fdo-client"), tmp_path, other, PULLED) as device:
        device.client.initialise(trade.factory.url)
        reported = device.onboard(trade, pull.registrar, chip.tcti)
        path = held(pull, device)
        refused = device.adopted(trade, ek_digest=reported)
        assert refused["code"] == "other-keys"
        assert "another EK than was bound or reported" in refused["detail"]
        shown = trade.owner.call("GET", path)
        assert (shown["state"], shown["binding"]) == ("owned", None)


@pytest.mark.interop(PUSH)
def test_its_agent_calls_the_verifier_and_its_workload_is_released_and_taken_back(
    go: GoPeers,
    pull: PullTrade,
    make_software_tpm: "MakeSoftwareTpm",
    client: httpx.Client,
    tmp_path: Path,
) -> None:
    trade = pull.trade
    chip = booted(make_software_tpm("calling").start())
    agent = replace(PUSHING, verifier=pull.verifier)
    program = go.program("go-fdo-client")
    with stock_device(program, tmp_path, chip.tcti, agent) as device:
        device.client.initialise(trade.factory.url)
        reported = device.onboard(trade, pull.registrar, chip.tcti)
        path = held(pull, device)
        refused = device.adopted(trade, ek_digest="00" * 32)
        assert "another EK than was bound or reported" in refused["detail"]
        adopted = device.adopted(trade, ek_digest=reported)
        assert (adopted["channel"], adopted["class"]) == ("push", "key-outside-tpm")
        trade.reached(str(device.guid), "attested")
        (first, *_) = trade.owner.call("GET", f"{path}/appraisals")["items"]
        assert (first["channel"], first["compared"]) == ("push", [f"pcr:sha256:{PCR}"])
        gate = device.workload(client, trade)
        assert gate.sync().change is Change.APPLIED
        trade.reached(str(device.guid), "released")
        under_boots(trade, path, 1)
        under_lists(trade, path)
        (why, *_) = under_boots(trade, path, 2)["failures"]
        assert 'the policy has kernel command line: "quiet"' in why["message"]
        trade.reached(str(device.guid), "failed", "withdrawn")
        assert gate.sync().change is Change.REMOVED
