"""go-fdo-server itself: its manufacturing, rendezvous and owner, as three processes.

No registry has it. ``VOUCHGATE_GO_FDO_SERVER`` names the program, built from its
source; nothing of that is here. Each keeps its state in a file of SQLite, as in its
guides. Every key here is a TEST KEY.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from onboarding.device.http import new_client
from onboarding.tls import Trust
from tests.support.interop.go_fdo_server_keys import Keys
from tests.support.interop.go_services import plain
from tests.support.interop.our_device import OurDevice, our_device
from tests.support.interop.programs import serving
from tests.support.interop.report import Peer
from tests.support.interop.services import SECONDS, wait_for

PROGRAM = os.environ.get("VOUCHGATE_GO_FDO_SERVER", "")
WITHOUT = "VOUCHGATE_GO_FDO_SERVER does not name a go-fdo-server built from its source"
HOW = (
    "built by hand from its source, which no registry has, and named by"
    " `VOUCHGATE_GO_FDO_SERVER`; the version is what its `/health` says"
)
ROLES = ("manufacturing", "rendezvous", "owner")
_LISTENING = re.compile(r"127\.0\.0\.1:([1-9][0-9]*)")
_WAIT_SECONDS = 0.5  # for its limit of two requests a second


@dataclass(frozen=True)
class Server:
    """One role of it, being served."""

    url: str
    http: httpx.Client = field(repr=False)

    @property
    def port(self) -> int:
        return int(httpx.URL(self.url).port or 0)

    @property
    def address(self) -> dict[str, Any]:
        url = httpx.URL(self.url)
        return {"ip": url.host, "port": url.port, "protocol": url.scheme}

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, **more: Any
    ) -> httpx.Response:
        """Ask once, and again for as long as it is too much at once for it."""
        deadline = time.monotonic() + SECONDS
        while True:
            reply = self.http.request(method, path, content=body, **more)
            if reply.status_code != 429 or time.monotonic() > deadline:
                return reply
            time.sleep(_WAIT_SECONDS)


@dataclass(frozen=True)
class GoFdoServer:
    """The three of them, and the keys that they have."""

    factory: Server
    rendezvous: Server
    owner: Server
    keys: Keys
    directory: Path

    def peer(self) -> Peer:
        """Name it, for the report."""
        version = self.factory.ask("GET", "/health").json()["version"]
        return Peer("go-fdo-server", str(version), HOW)

    def announce(self, *directives: Mapping[str, Any]) -> None:
        """What its new vouchers will say of rendezvous, in its newer version."""
        said = [[{name: value} for name, value in one.items()] for one in directives]
        reply = self.factory.ask("PUT", "/api/v2/rvinfo", json.dumps(said))
        assert reply.status_code == 200, reply.text

    def answer_at(self, address: Mapping[str, Any]) -> None:
        """Where its owner sends devices."""
        said = json.dumps([{**address, "port": str(address["port"])}])
        path = "/api/v1/owner/redirect"
        there = self.owner.ask("GET", path).status_code == 200
        reply = self.owner.ask("PUT" if there else "POST", path, said)
        assert reply.status_code == (200 if there else 201), reply.text

    def voucher(self, guid: str) -> str:
        """A voucher of its factory, signed over to its owner already; PEM."""
        reply = self.factory.ask("GET", f"/api/v1/vouchers/{plain(guid)}")
        assert reply.status_code == 200, reply.text
        return reply.text

    def take(self, pem: str | bytes) -> None:
        """Import a voucher as its owner."""
        reply = self.owner.ask("POST", "/api/v1/owner/vouchers", pem)
        assert (reply.status_code, reply.text) == (200, "")

    def resold(self, guid: str, buyer_pem: str) -> str:
        """Have its owner sell a device on; return its voucher as PEM."""
        path = f"/api/v1/owner/resell/{plain(guid)}"
        reply = self.owner.ask("POST", path, buyer_pem)
        assert reply.status_code == 200, reply.text
        return reply.text

    def trust(self, *certificates: str) -> None:
        """Have its rendezvous know those who make devices' certificates."""
        for one in certificates:
            reply = self.rendezvous.ask("POST", "/api/v1/device-ca", one)
            assert reply.status_code == 200, reply.text

    def owned(self, guid: str) -> dict[str, Any]:
        """What its owner says of a device that it onboarded, by the GUID of before."""
        path = f"/api/v1/owner/devices?old_guid={plain(guid)}"
        (found,) = self.owner.ask("GET", path).json()
        assert found["to2_completed"], found
        return dict(found)

    @property
    def said(self) -> str:
        """What the programs that its owner had devices run have printed, and more."""
        return (self.directory / "owner" / "log").read_text(errors="replace")

    def announced(self, guid: str) -> None:
        """Wait until its owner has told a rendezvous: it looks every ten seconds."""
        success = re.compile(rf"RV2TO0Addr' completed\s+guid: {plain(guid)}")

        def told() -> bool:
            return success.search(_bare(self.said)) is not None

        wait_for(told, lambda: self.said[-3000:])


def directive(rendezvous: str, **more: Any) -> dict[str, Any]:
    """One directive for the server there, in the words of its version 2."""
    url = httpx.URL(rendezvous)
    return {
        "ip": url.host,
        "protocol": url.scheme,
        "device_port": url.port,
        "owner_port": url.port,
        "delay_seconds": 1,
        **more,
    }


@contextmanager
def go_fdo_server(
    directory: Path,
    kind: str = "ec256",
    *,
    owner: Sequence[str] = (),
    rendezvous: Sequence[str] = (),
    modules: Sequence[Mapping[str, Any]] = (),
    buyer: str = "",
    tls: bool = False,
    introduced: bool = True,
) -> Iterator[GoFdoServer]:
    """Run the three of them while the block lasts, ``introduced`` to each other or not.

    Args:
        kind: Of all its keys: ``ec256``, ``ec384`` or ``rsa2048``.
        owner: More arguments of the owner; ``rendezvous`` likewise.
        buyer: Certificate of whom its factory sells to, PEM; else to its own owner.
        modules: What the owner's configuration file has as ``service_info.fsims``.
        tls: They speak HTTPS, by a certificate of ``keys.tls_ca``.
    """
    keys = Keys.make(directory, kind, buyer)
    secured = keys.tls() if tls else []
    arguments: dict[str, list[str]] = {
        "manufacturing": [*keys.factory_arguments(), *secured],
        "rendezvous": [*rendezvous, *secured],
        "owner": [*keys.owner_arguments(), *owner, *secured],
    }
    if modules:
        file = directory / "owner.json"
        said = {"owner": {"service_info": {"fsims": list(modules)}}}
        file.write_text(json.dumps(said))
        arguments["owner"] += ["--config", str(file)]
    with ExitStack() as stack:
        factory, meeting, buying = (
            stack.enter_context(_server(directory / role, role, arguments[role], keys))
            for role in ROLES
        )
        found = GoFdoServer(factory, meeting, buying, keys, directory)
        if introduced:
            found.announce(directive(found.rendezvous.url))
            found.answer_at(found.owner.address)
        yield found


@contextmanager
def _server(home: Path, role: str, more: Sequence[str], keys: Keys) -> Iterator[Server]:
    home.mkdir(parents=True, exist_ok=True)
    database = ["--db-type", "sqlite", "--db-dsn", f"file:{home}/state.db"]
    command = [PROGRAM, role, "127.0.0.1:0", "--log-level", "debug", *database, *more]
    log = home / "log"

    def port() -> str:
        lines = _bare(log.read_text(errors="replace")).splitlines()
        after = [n for n, line in enumerate(lines) if "Listening" in line]
        found = [_LISTENING.search("".join(lines[n : n + 2])) for n in after]
        return found[0][1] if found and found[0] else ""

    trusted = {"SSL_CERT_FILE": str(keys.tls_file)}  # whom its own TO0 trusts
    with serving(command, home, lambda: bool(port()), trusted):
        scheme = "https" if "--http-cert" in more else "http"
        url = f"{scheme}://127.0.0.1:{port()}"
        trust = Trust(authorities=keys.tls_ca) if scheme == "https" else Trust()
        with new_client(trust) as http:
            http.base_url = httpx.URL(url)
            yield Server(url, http)


def _bare(said: str) -> str:
    """Without the colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", said)


@contextmanager
def bypassing(
    theirs: GoFdoServer, directory: Path, *, reuse: bool = True
) -> Iterator[OurDevice]:
    """A device of ours that goes straight from its factory to its owner."""
    theirs.announce(directive(theirs.owner.url, rv_bypass=True))
    with our_device(directory, reuse=reuse) as device:
        theirs.take(theirs.voucher(device.initialise(theirs.factory.url)))
        yield device
