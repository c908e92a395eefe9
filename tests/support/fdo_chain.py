"""Factory, rendezvous and owner on loopback, ready to trade. TEST KEYS."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role, Settings
from onboarding.store import apikeys
from tests.support.databases import NewDatabase
from tests.support.key_holders import KeyHolder
from tests.support.services import Running, Site, Wire
from tests.support.soft_device import SoftDevice

PATIENCE = 120.0  # seconds; a background task takes a fraction of one


@dataclass
class Chain:
    """Factory, rendezvous and owner, and a key of every role for each."""

    site: Site
    factory: Running
    rendezvous: Running
    owner: Running
    owner_settings: Settings
    factory_key: str
    rendezvous_key: str
    owner_key: str
    more: ExitStack = field(repr=False)

    def sell(self, device: SoftDevice) -> str:
        """Extend a device's voucher to the owner; return it as PEM."""
        buyer = {"next_owner_pem": self.site.keys[KeyKind.OWNER].public_pem}
        path = f"/vouchers/{device.credential.guid}/extend"
        reply = self.factory.call(self.factory_key, "POST", path, json=buyer)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["pem"])

    def take(self, pem: str) -> httpx.Response:
        """Import a voucher as the owner."""
        return self.owner.call(self.owner_key, "POST", "/vouchers", content=pem)

    def bought(self) -> SoftDevice:
        """A device made, sold and imported: ready for TO2."""
        device = SoftDevice.made_at(Wire.to(self.factory.url))
        assert self.take(self.sell(device)).status_code == 200
        return device

    def replica(self) -> Running:
        """Another owner over the same database."""
        quiet = self.owner_settings.model_copy(update={"background": False})
        return self.more.enter_context(self.site.serve(quiet))


def joined(
    directory: Path,
    algorithm: KeyAlgorithm,
    holder: KeyHolder | None = None,
    databases: NewDatabase | None = None,
) -> Iterator[Chain]:
    site = Site(directory, algorithm, holder=holder, databases=databases)
    owner_settings = site.settings(Role.OWNER)
    with ExitStack() as stack:

        def start(role: Role) -> tuple[Running, str]:
            settings = site.settings(role)
            key = site.api_key(settings, apikeys.Role.ADMIN)
            return stack.enter_context(site.serve(settings)), key

        factory, factory_key = start(Role.MANUFACTURING)
        rendezvous, rendezvous_key = start(Role.RENDEZVOUS)
        owner, owner_key = start(Role.OWNER)
        chain = Chain(
            site,
            factory,
            rendezvous,
            owner,
            owner_settings,
            factory_key,
            rendezvous_key,
            owner_key,
            stack,
        )
        _prepare(chain)
        yield chain
    site.close()


def _prepare(chain: Chain) -> None:
    rv, owner = httpx.URL(chain.rendezvous.url), httpx.URL(chain.owner.url)
    directive = {
        "ip": rv.host,
        "device_port": rv.port,
        "owner_port": rv.port,
        "protocol": "http",
    }
    address = {"ip": owner.host, "port": owner.port, "protocol": "http"}
    maker = chain.site.keys[KeyKind.MANUFACTURER].fingerprint
    factory_ca = chain.factory.call(chain.factory_key, "GET", "/device-ca").text
    for reply in (
        chain.factory.call(
            chain.factory_key, "PUT", "/rvinfo", json={"directives": [directive]}
        ),
        chain.owner.call(
            chain.owner_key, "PUT", "/to2-address", json={"addresses": [address]}
        ),
        chain.rendezvous.call(
            chain.rendezvous_key,
            "PUT",
            "/trust",
            json={"manufacturers": [maker], "device_cas_pem": factory_ca},
        ),
    ):
        assert reply.status_code == 200, reply.text


def eventually(check: Callable[[], bool]) -> None:
    """Wait for what a background task will do, however busy the machine is."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.05)


def state_of(chain: Chain, device: SoftDevice) -> str:
    """How far the owner says that a device has come."""
    path = f"/devices/{device.credential.guid}"
    return str(chain.owner.call(chain.owner_key, "GET", path).json()["state"])
