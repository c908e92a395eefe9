"""Three services with go-fdo-server's paths, asked as its scripts ask. TEST KEYS."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Compat, Role
from onboarding.store import apikeys
from tests.support.services import PASSPHRASE, SECONDS, Running, Site, Wire
from tests.support.soft_device import SoftDevice

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}


@dataclass
class Incumbent:
    """Factory, rendezvous and owner, each behind the other server's paths."""

    site: Site
    running: dict[Role, Running]
    keys: dict[Role, str]
    http: httpx.Client = field(repr=False)

    def url(self, role: Role) -> str:
        return self.running[role].compat_url

    def ask(
        self, role: Role, method: str, path: str, body: str | None = None, **more: Any
    ) -> httpx.Response:
        """One call, as `curl --request METHOD --data-binary BODY URL/PATH` does it."""
        headers = {"X-API-Key": self.keys[role], **more.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value}
        url = f"{self.url(role)}{path}"
        return self.http.request(method, url, content=body, headers=headers, **more)

    def rv_info(self, **more: Any) -> list[dict[str, Any]]:
        """What `rv_info` of their `utils.sh` says, of our rendezvous server."""
        port = str(httpx.URL(self.url(Role.RENDEZVOUS)).port)
        ports = {"device_port": port, "owner_port": port}
        return [
            {"dns": "localhost", "ip": "127.0.0.1", "protocol": "http"} | ports | more
        ]

    def redirect(self) -> str:
        """What `set_owner_redirect_info` sends."""
        port = httpx.URL(self.url(Role.OWNER)).port
        return (
            f'[{{"ip": "127.0.0.1", "dns": "localhost", "port": "{port}",'
            ' "protocol": "http"}]'
        )

    def device(self) -> SoftDevice:
        """`go-fdo-client device-init` at the same port."""
        return SoftDevice.made_at(Wire.to(self.url(Role.MANUFACTURING)))

    def voucher(self, device: SoftDevice) -> str:
        """`get_ov_from_manufacturer`."""
        path = f"/api/v1/vouchers/{device.credential.guid.hex}"
        reply = self.ask(Role.MANUFACTURING, "GET", path)
        assert reply.status_code == 200, reply.text
        return reply.text

    def set_up(self) -> None:
        """As `set_or_update_…` of their scripts: PUT what is there, else POST it."""
        rv_info = json.dumps(self.rv_info())
        for role, path, said in (
            (Role.MANUFACTURING, "/api/v1/rvinfo", rv_info),
            (Role.OWNER, "/api/v1/owner/redirect", self.redirect()),
        ):
            there = self.ask(role, "GET", path, headers=TEXT).status_code == 200
            method = "PUT" if there else "POST"
            reply = self.ask(role, method, path, said, headers=JSON)
            assert reply.status_code == (200 if there else 201), reply.text
        reply = self.ask(Role.RENDEZVOUS, "POST", "/api/v1/device-ca", self.device_ca())
        assert reply.status_code == 200, reply.text

    def device_ca(self) -> str:
        """The factory's, PEM."""
        store = KeyStore(self.site.directory / "keys", PASSPHRASE)
        return str(store.list(KeyKind.DEVICE_CA)[0].certificate_pem)

    def state(self, guid: str) -> str:
        """How far our owner says that a device has come."""
        owner = self.running[Role.OWNER]
        shown = owner.call(self.keys[Role.OWNER], "GET", f"/devices/{guid}")
        return str(shown.json().get("state"))


def incumbent(directory: Path, **changed: Any) -> Iterator[Incumbent]:
    """Start all three; the factory signs new vouchers over to the owner's key."""
    site = Site(directory)
    buyer = directory / "owner.pem"
    buyer.write_text(site.keys[KeyKind.OWNER].public_pem)
    more: dict[Role, dict[str, Any]] = {Role.MANUFACTURING: {"next_owner_file": buyer}}
    with ExitStack() as stack:
        running, keys = {}, {}
        for role in (Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER):
            settings = site.settings(
                role,
                compat=Compat.GO_FDO_SERVER,
                compat_port=0,
                **more.get(role, {}),
                **changed,
            )
            keys[role] = site.api_key(settings, apikeys.Role.ADMIN)
            running[role] = stack.enter_context(site.serve(settings))
        client = httpx.Client(timeout=SECONDS, trust_env=False)
        http = stack.enter_context(client)
        yield Incumbent(site, running, keys, http)
