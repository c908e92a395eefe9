"""The FIDO Alliance's conformance tool as a process, and how to steer it.

No registry has it: ``VOUCHGATE_FDO_CONFORMANCE`` names the program, built from its
source. It is asked over HTTP what its web page asks it.
"""

import io
import json
import os
import socket
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ownership_vouchers.pem import load_voucher
from tests.support.interop.programs import run, serving
from tests.support.interop.report import Peer
from tests.support.interop.toolchain import Unavailable, answer

VARIABLE = "VOUCHGATE_FDO_CONFORMANCE"
SECONDS = 600.0  # a whole run of tests is one request to it
POSITIVE = "FIDO_LISTENER_POSITIVE"


@dataclass(frozen=True)
class Verdict:
    """What it says of one test id; ``error`` is its own words."""

    test: str
    passed: bool
    error: str


@dataclass(frozen=True)
class FidoTool:
    """One server: a tester of servers, and rendezvous and owner of devices."""

    url: str
    http: httpx.Client
    program: str

    def peer(self) -> Peer:
        """Who it is, for a report."""
        version = answer([self.program, "--version"]).split()[-1]
        how = f"built by hand from its source of 2025-08-20; `{VARIABLE}` names it"
        return Peer("The FIDO Alliance's conformance tool", version, how)

    def rendezvous(self, url: str) -> list[Verdict]:
        """Run what it has for a rendezvous server: TO0 and TO1."""
        self._asked("POST", "rvt/create", {"url": url})
        made = self._last("rvt")
        for protocol in ("to0", "to1"):
            self._asked("POST", "rvt/execute", {"id": made[protocol]["id"]})
        ended = self._last("rvt")
        return _newest(ended["to0"]) + _newest(ended["to1"])

    def new_owner_test(self, url: str, key_pem: str) -> tuple[str, bytes]:
        """Set a test of an owner up; return its id, and the voucher for it as PEM.

        Args:
            key_pem: The owner's private key (PKCS #8), with which it makes vouchers.
        """
        self._asked("POST", "dot/create", {"url": url, "priv_key": key_pem})
        made = str(self._last("dot")["to2"]["id"])
        reply = self.http.get(f"/api/dot/vouchers/{made}")
        assert reply.status_code == 200, reply.text
        with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
            (name,) = archive.namelist()
            pem = archive.read(name)
        voucher, _, _key = pem.partition(b"-----BEGIN PRIVATE KEY")
        return made, voucher.strip()

    def owner(self, test: str) -> list[Verdict]:
        """Run what it has for an owner: TO2."""
        self._asked("POST", "dot/execute", {"id": test})
        return _newest(self._last("dot")["to2"])

    def new_device_test(self, voucher_pem: str, key_pem: str) -> str:
        """Make it owner and rendezvous of a device; return the test's id."""
        sent = {"name": "ours", "voucher": f"{voucher_pem}\n{key_pem}"}
        self._asked("POST", "device/create", sent)
        return str(self._last("device")["id"])

    def start(self, test: str, protocol: int) -> None:
        """Have it answer the device wrongly, one test after another, in TO1 or TO2."""
        self._asked("POST", f"device/testruns/{protocol}/{test}")

    def device(self, protocol: int) -> tuple[bool, list[Verdict]]:
        """Whether the run is at its end, and what it says so far."""
        (newest, *_) = self._last("device")[f"to{protocol}"]
        return bool(newest["completed"]), _named(newest["tests"])

    def _last(self, kind: str) -> Any:
        return self._asked("GET", f"{kind}/testruns")["entries"][-1]

    def _asked(self, method: str, path: str, sent: object = None) -> Any:
        headers = {"Content-Type": "application/json"}
        content = json.dumps(sent or {}) if method == "POST" else None
        reply = self.http.request(
            method, f"/api/{path}", headers=headers, content=content
        )
        assert reply.status_code == 200, reply.text
        return reply.json()


def _newest(test: Mapping[str, Any]) -> list[Verdict]:
    found = test["runs"][0]["tests"]
    return [Verdict(name, one["passed"], one["error"]) for name, one in found.items()]


def _named(states: list[dict[str, Any]]) -> list[Verdict]:
    """Tell its positive tests apart, which all have one id, by the message."""
    found, message = [], ""
    for one in states:
        name = str(one["testId"])
        if name == POSITIVE:
            name = f"{POSITIVE} ({message})"
        else:
            message = name.removeprefix("FIDO_LISTENER_DEVICE_")[:2]
        found.append(Verdict(name, one["passed"], one["error"]))
    return found


def root_of(voucher_pem: bytes) -> str:
    """The root that the tool's devices are certified by, as PEM."""
    chain = load_voucher(voucher_pem).cert_chain
    assert chain is not None
    root = x509.load_der_x509_certificate(chain[-1])
    return root.public_bytes(Encoding.PEM).decode()


@contextmanager
def fido_tool(directory: Path) -> Iterator[FidoTool]:
    """Run it with a new database. Raises Unavailable."""
    program = os.environ.get(VARIABLE)
    if not program:
        raise Unavailable(f"{VARIABLE} names no conformance tool; no registry has it")
    served = directory / "served"
    served.mkdir(parents=True)
    run([program, "seed"], served, seconds=SECONDS).require(says="Done!")
    port = _guessed_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"PORT": str(port), "FDO_SERVICE_URL": url}
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:

        def ready() -> bool:
            """There is no password: to be let in is to ask."""
            try:
                asked = {"Content-Type": "application/json"}
                reply = http.post("/api/user/login/onprem", headers=asked)
            except httpx.TransportError:
                return False
            return reply.status_code == 200

        command = [program, "serve", "--force"]
        with serving(command, served, ready, environment):
            yield FidoTool(url, http, program)


def found_by_its_client(program: str, directory: Path, rendezvous: str) -> str:
    """Have its command line register a new device, and run TO1; return its words."""
    for name in ("_dis", "_vouchers"):
        (directory / name).mkdir(parents=True)
    run([program, "iop", "generate"], directory).require()
    run([program, "iop", "do_load_vouchers", "_vouchers"], directory).require()
    pushed = run([program, "iop", "rv_push_vouchers", rendezvous], directory)
    pushed.require(says="Success TO0")
    (credential,) = (directory / "_dis").iterdir()
    asked = [program, "iop", "to1", rendezvous, str(credential)]
    return run(asked, directory).require().output


def _guessed_port() -> int:
    """It takes no socket, and has to be told its port beforehand."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])
