"""A device of others' parts: go-fdo-client, and a Keylime agent that it starts.

The agent is Keylime's own where ``VOUCHGATE_KEYLIME_AGENT`` names it, or
``VOUCHGATE_KEYLIME_PUSH_AGENT`` the one that calls the verifier: no registry has them.
Else one of ours that speaks the same protocol takes its place. The plan that configures
it is the operators' guide's, with other paths and ports.
"""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_public_key,
)

from hw.keys import SoftKey
from onboarding.device.applier import DirectoryApplier
from onboarding.device.owner_api import OwnerApi
from onboarding.device.workload import WorkloadGate
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid
from tests.support.boot_logs import recorded_log
from tests.support.booted import BOOT
from tests.support.ima_lists import Measured
from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.services import POLL_SECONDS, SECONDS, Trade
from tests.support.running import listed

ROOT = Path(__file__).parents[3]
PLANS = ROOT / "docs/examples/keylime-agent"
OURS = "tests.support.agent_program"
RAN = (Measured(b"boot_aggregate"), Measured(b"/usr/bin/app", digest=b"\1" * 32))


@dataclass(frozen=True)
class Agent:
    """A Keylime agent: its channel, what it is configured by, and the program."""

    channel: str
    plan: str
    unit: str
    program: str  # Keylime's own; empty: ours
    verifier: str = ""  # which it calls

    @property
    def name(self) -> str:
        kind = f"{self.channel} agent"
        return f"Keylime's {kind} in Rust" if self.program else f"a {kind} of ours"


PULLED = Agent(
    "pull",
    "plan.json",
    "keylime_agent",
    os.environ.get("VOUCHGATE_KEYLIME_AGENT", ""),
)
PUSHING = Agent(
    "push",
    "push-plan.json",
    "keylime_push_model_agent",
    os.environ.get("VOUCHGATE_KEYLIME_PUSH_AGENT", ""),
)


@dataclass(frozen=True)
class StockDevice:
    """One device; its FDO keys are in a file, its agent's in the TPM at ``tcti``.

    Its firmware left the recorded log, its kernel the list of what ``RAN``. ``home`` is
    where its ``/etc/keylime`` and the rest of its agent's files are.
    """

    client: GoClient
    home: Path
    tcti: str
    agent: Agent

    @property
    def guid(self) -> Guid:
        return Guid.parse(self.client.guid())

    @property
    def log(self) -> str:
        """What its agent has said."""
        return (self.home / "log").read_text(errors="replace")

    def plan(self, name: str, registrar: str, reporting: str) -> dict[str, Any]:
        """The guide's plan, for this device; ``reporting`` is the TPM that it reads."""
        url = httpx.URL(registrar)
        text = (PLANS / self.agent.plan).read_text()
        other = {
            "/etc/keylime": str(self.home),
            "https://192.0.2.10:8881": self.agent.verifier,
            "192.0.2.10": url.host,
            "8890": str(url.port),
            "hostname -I": "echo 127.0.0.1",
            f"systemctl restart {self.agent.unit}": str(self._starter()),
            "tpm2_createek": f"TPM2TOOLS_TCTI={reporting} tpm2_createek",
        }
        for said, here in other.items():
            text = text.replace(said, here)
        assert not any(left in text for left in ("/etc/", "192.0.2.", "systemctl"))
        return {**json.loads(text), "name": name}

    def onboard(self, trade: Trade, registrar: str, reporting: str) -> str:
        """Sell it, give it its plan, run TO2; return the EK's digest as it reported."""
        serial = self.client.serial
        plan = self.plan(serial.lower(), registrar, reporting)
        trade.owner.call("POST", "/service-info/plans", plan)
        before = trade.buy(serial, self.client.algorithm)
        chosen = {"plan": plan["name"]}
        trade.owner.call("PUT", f"/devices/{before}/service-info", chosen)
        ran = self.client.onboard("ECDH256", "A128GCM")
        (run,) = trade.owner.call("GET", f"/devices/{before}/deliveries")["items"]
        assert run["completed"], run
        ran.require(says=COMPLETE)
        receipts = run["modules"][-len(plan["steps"]) :]
        return str(receipts[0]["stdout"]).split()[0]

    def adopted(self, trade: Trade, **reported: str) -> dict[str, Any]:
        """Have its agent adopted, once it has registered; as an operator does."""
        deadline = time.monotonic() + SECONDS
        path = f"/api/v1/devices/{self.guid}/agent"
        body = {**reported, "channel": self.agent.channel}
        while True:
            reply = trade.owner.http.put(path, json=body)
            waiting = reply.json().get("code") == "agent-not-registered"
            if not waiting or time.monotonic() > deadline:
                assert reply.status_code in (200, 403), reply.text + self.log[-3000:]
                return dict(reply.json())
            time.sleep(POLL_SECONDS)

    def workload(self, http: httpx.Client, trade: Trade) -> WorkloadGate:
        """What a program beside the client does, with the client's own device key."""
        raw = (self.client.directory / "credential.bin").read_bytes()
        key = SoftKey(_device_key(raw))
        owner = trade.owner_key(self.client.algorithm).public_pem.encode()
        public = load_pem_public_key(owner)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        api = OwnerApi(http, trade.owner.url, self.guid, key)
        applier = DirectoryApplier(self.home / "workload")
        return WorkloadGate(api, key, public, applier, self.home)

    def _starter(self) -> Path:
        """What the package's unit does: this machine may run without systemd."""
        stock, ours = self.agent.program, [sys.executable, "-m", OURS]
        port = _guessed_port() if stock else 0
        program = [stock] if stock else [*ours, self.agent.channel]
        says = {
            "TCTI": self.tcti,
            "TPM2TOOLS_TCTI": self.tcti,
            "RUST_LOG": "info",
            "PYTHONPATH": str(ROOT),
            "KEYLIME_AGENT_CONFIG": str(self.home / "agent.conf.d/90-owner.conf"),
            "KEYLIME_DIR": str(self.home),
            "KEYLIME_AGENT_RUN_AS": "",
            "KEYLIME_AGENT_MEASUREDBOOT_ML_PATH": str(self.home / "booted"),
            "KEYLIME_AGENT_IMA_ML_PATH": str(self.home / "ran"),
            "KEYLIME_AGENT_EXPONENTIAL_BACKOFF_INITIAL_DELAY": "500",  # ms
            "KEYLIME_AGENT_EXPONENTIAL_BACKOFF_MAX_DELAY": "1000",
            "KEYLIME_AGENT_EXPONENTIAL_BACKOFF_MAX_RETRIES": "200",
            "KEYLIME_AGENT_PORT": str(port),
            "KEYLIME_AGENT_CONTACT_PORT": str(port),
        }
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in says.items())
        # Without a resource manager, what a tool has loaded stays in the TPM.
        run = f"tpm2_flushcontext -t\nsetsid {shlex.join(program)}"
        run += " </dev/null >log 2>&1 &\necho $! >pid\n"
        file = self.home / "start"
        file.write_text(f"#!/bin/sh\nset -e\ncd {self.home}\n{exports}{run}")
        file.chmod(0o700)
        return file

    def end(self) -> None:
        """End its agent, if it was started, and undo what that mounted."""
        file = self.home / "pid"
        if file.exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(file.read_text()), signal.SIGTERM)
            file.unlink()
        if os.path.ismount(self.home / "secure"):
            umount = ["umount", "--lazy", str(self.home / "secure")]
            subprocess.run(umount, check=True)  # noqa: S603 - our own words


@contextmanager
def stock_device(
    program: Path, directory: Path, tcti: str, agent: Agent
) -> Iterator[StockDevice]:
    """A device that was not made yet; its agent ends with the block."""
    home = directory / "keylime"
    (home / "agent.conf.d").mkdir(parents=True)
    (home / "booted").write_bytes(recorded_log(BOOT))
    (home / "ran").write_bytes(listed(*RAN))
    client = GoClient.new(program, directory, "ec256")
    device = StockDevice(client, home, tcti, agent)
    try:
        yield device
    finally:
        device.end()


def _guessed_port() -> int:
    """Keylime's agent takes no socket, and has to say its port beforehand."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def _device_key(credential: bytes) -> ec.EllipticCurvePrivateKey:
    """The device key in the file of go-fdo-client; its last member but the state."""
    made, _state = cbor.array(cbor.decode(credential), 2)
    found = load_der_private_key(cbor.bstr(cbor.array(made)[-1]), None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found
