"""go-fdo's manufacturing, rendezvous and owner, in one process, and how to steer it.

The protocol is the library's. State, keys and the order of modules, which it leaves to
applications, are those of our own program in ``tests/interop/go/services``.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ownership_vouchers.pem import dump_pem, load_voucher
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.voucher import Voucher
from tests.support.interop.programs import serving

SECONDS = 120.0


@dataclass(frozen=True)
class GoServices:
    """One process with all three roles; ``uploads`` is where it puts devices' files."""

    url: str
    http: httpx.Client
    uploads: Path

    @property
    def address(self) -> dict[str, Any]:
        url = httpx.URL(self.url)
        return {"ip": url.host, "port": url.port, "protocol": "http"}

    def key(self, role: str, kind: str) -> str:
        """The public key of its ``owner`` or ``manufacturer``, as PEM.

        One RSA key of each size signs both ways.
        """
        return self._asked("GET", f"keys/{role}/{kind.replace('pss', 'rsa')}").text

    def chain(self, role: str, kind: str) -> str:
        """The certificates of that key, leaf first, as PEM."""
        return self._asked("GET", f"chains/{role}/{kind.replace('pss', 'rsa')}").text

    @property
    def device_ca(self) -> str:
        return self._asked("GET", "device-ca").text

    def announce(self, *directives: Mapping[str, object]) -> None:
        """What its new vouchers will say of rendezvous."""
        self._asked("PUT", "rvinfo", content=RendezvousInfo.build(directives).raw)

    def policy(self, **chosen: object) -> None:
        """``reuse``, ``max_ttl``, ``max_service_info``; the rest is as usual."""
        self._asked("PUT", "policy", json=chosen)

    def voucher(self, guid: str) -> Voucher:
        return Voucher.from_cbor(self._asked("GET", f"vouchers/{plain(guid)}").content)

    def sold(self, guid: str, buyer_pem: str, seller: str = "manufacturer") -> str:
        """Extend a voucher as its maker or its ``owner``; return it as PEM."""
        path = f"vouchers/{plain(guid)}/{seller}"
        done = self._asked("POST", path, content=buyer_pem.encode())
        return dump_pem(Voucher.from_cbor(done.content))

    def take(self, pem: str) -> None:
        """Import a voucher as its owner."""
        self._asked("POST", "vouchers", content=load_voucher(pem.encode().strip()).raw)

    def refusal(self, pem: str) -> str:
        """Say why it does not import a voucher."""
        raw = load_voucher(pem.encode().strip()).raw
        reply = self.http.post("/control/vouchers", content=raw)
        assert reply.status_code == 422, reply.text
        return reply.text

    def register(self, guid: str, rendezvous: str, seconds: int = 3600) -> int:
        """Run its owner's TO0; return the seconds that were granted."""
        mine = self.address
        wanted = {"url": rendezvous, "seconds": seconds}
        wanted |= {"ip": mine["ip"], "port": mine["port"]}
        reply = self._asked("POST", f"to0/{plain(guid)}", json=wanted)
        return int(reply.json()["granted"])

    def modules(self, guid: str, *steps: Mapping[str, object]) -> None:
        """What a device is put through in its next TO2."""
        self._asked("PUT", f"devices/{plain(guid)}/modules", json=list(steps))

    def fate(self, guid: str) -> dict[str, Any]:
        """What became of a device in TO2, under the GUID it came with."""
        return dict(self._asked("GET", f"devices/{plain(guid)}").json())

    def _asked(self, method: str, path: str, **sent: Any) -> httpx.Response:
        reply = self.http.request(method, f"/control/{path}", **sent)
        assert reply.status_code == 200, reply.text
        return reply


def module(called: str, content: bytes = b"", /, **more: object) -> dict[str, object]:
    """One step of ``GoServices.modules``."""
    encoded = base64.b64encode(content).decode()
    return {"module": called, "content": encoded, **more}


def plain(guid: str) -> str:
    return guid.replace("-", "")


@contextmanager
def go_services(program: Path, directory: Path) -> Iterator[GoServices]:
    """Run them while the block lasts; the directory is the rendezvous they name."""
    port_file, uploads = directory / "port", directory / "uploads"
    uploads.mkdir(parents=True)
    command = [str(program), "-port-file", str(port_file), "-uploads", str(uploads)]
    with serving(command, directory, port_file.exists):
        url = f"http://127.0.0.1:{port_file.read_text().strip()}"
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            yield GoServices(url, http, uploads)
