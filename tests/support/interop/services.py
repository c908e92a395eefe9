"""Our three services as three processes on loopback, with a key of every kind.

Every key here is a TEST KEY.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from onboarding.services.settings import Role
from onboarding.store import apikeys
from tests.support.interop.programs import serving
from tests.support.services import PASSPHRASE, Site

SECONDS = 120.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Service:
    """One process of ours, and an administrator's key to it."""

    url: str
    http: httpx.Client

    @property
    def address(self) -> dict[str, Any]:
        url = httpx.URL(self.url)
        return {"ip": url.host, "port": url.port, "protocol": "http"}

    def call(self, method: str, path: str, value: object = None) -> Any:
        """Call the management API; the answer must be a good one."""
        return self._checked(self.http.request(method, f"/api/v1{path}", json=value))

    def send(self, path: str, content: str | bytes) -> Any:
        """Post bytes to the management API."""
        return self._checked(self.http.post(f"/api/v1{path}", content=content))

    def text(self, path: str) -> str:
        reply = self.http.get(f"/api/v1{path}")
        assert reply.status_code == 200, reply.text
        return reply.text

    @staticmethod
    def _checked(reply: httpx.Response) -> Any:
        assert reply.status_code in (200, 201), reply.text
        return reply.json()


@dataclass(frozen=True)
class Trade:
    """Factory, rendezvous and owner, and the keys that they have."""

    factory: Service
    rendezvous: Service
    owner: Service
    keys: Mapping[KeyKind, Mapping[KeyAlgorithm, KeyInfo]]
    store: KeyStore

    def guid_of(self, serial: str) -> str:
        """The GUID that DI gave to a device."""
        items = self.factory.call("GET", f"/vouchers?serial={serial}")["items"]
        assert len(items) == 1, items
        return str(items[0]["guid"])

    def made_as(self, guid: str) -> str:
        """The encoding of its manufacturer's key in a voucher of our factory."""
        found = self.factory.call("GET", f"/vouchers/{guid}")["voucher"]
        return str(found["manufacturer_key"]["encoding"])

    def sold(self, guid: str, buyer_pem: str) -> str:
        """Extend a voucher of our factory; return it as PEM."""
        path, buyer = f"/vouchers/{guid}/extend", {"next_owner_pem": buyer_pem}
        return str(self.factory.call("POST", path, buyer)["pem"])

    def resold(self, guid: str, buyer_pem: str) -> str:
        """Have our owner sell a device on; return its voucher as PEM."""
        path, buyer = f"/vouchers/{guid}/resell", {"next_owner_pem": buyer_pem}
        return str(self.owner.call("POST", path, buyer)["pem"])

    def take(self, pem: str | bytes) -> None:
        """Import a voucher as our owner."""
        self.owner.send("/vouchers", pem)

    def announced(self, guid: str) -> None:
        """Wait until our owner has told a rendezvous of the device."""
        self.reached(guid, "registered")

    def registrations(self, guid: str) -> list[dict[str, Any]]:
        """How each rendezvous server answered our owner's TO0 for a device."""
        items = self.owner.call("GET", "/to0")["items"]
        return [one for i in items if i["guid"] == guid for one in i["servers"]]

    def announced_again(self, guid: str) -> None:
        """Wait until a rendezvous knows of a device that our owner has already."""

        def granted() -> bool:
            return any(one["granted"] for one in self.registrations(guid))

        wait_for(granted, lambda: f"{guid}: {self.registrations(guid)}")

    def reached(self, guid: str, *states: str) -> dict[str, Any]:
        """Wait for a state of a device; return what our owner says of it."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.owner.call("GET", f"/devices/{guid}"))
            return found["state"] in states

        wait_for(there, lambda: f"{guid} is {found.get('state')}, not {states}")
        return found

    def buy(self, serial: str, algorithm: KeyAlgorithm) -> str:
        """Sell a device from our factory to our owner and announce it."""
        guid = self.guid_of(serial)
        self.take(self.sold(guid, self.owner_key(algorithm).public_pem))
        self.announced(guid)
        return guid

    def owner_key(self, algorithm: KeyAlgorithm) -> KeyInfo:
        return self.keys[KeyKind.OWNER][algorithm]


def wait_for(check: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait for what a background task will do."""
    deadline = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < deadline, why()
        time.sleep(POLL_SECONDS)


@contextmanager
def trading(
    directory: Path,
    owner_settings: Mapping[str, object] | None = None,
    *,
    every_key: bool = True,
) -> Iterator[Trade]:
    """Run the three services, introduced to each other.

    Args:
        owner_settings: More settings of the owner, by their names in lower case.
        every_key: A key of every kind, which takes its time; else P-256 only.
    """
    more = {Role.OWNER: owner_settings or {}}
    site = Site(directory, own_keys=every_key)
    store = KeyStore(directory / "keys", PASSPHRASE)
    if every_key:
        _more_keys(store)
    with ExitStack() as stack:
        factory, rendezvous, owner = (
            stack.enter_context(_process(site, role, more.get(role, {})))
            for role in (Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER)
        )
        trade = Trade(factory, rendezvous, owner, _by_kind(store), store)
        introduce(trade)
        yield trade


def introduce(trade: Trade) -> None:
    """Tell each service where the others are and whom to trust."""
    for service in (trade.factory, trade.owner):
        tell(service, directive(trade.rendezvous.url))
    trade.owner.call("PUT", "/to2-address", {"addresses": [trade.owner.address]})
    trust(trade)


def trust(trade: Trade, *others: str) -> None:
    """Have our rendezvous take vouchers of our makers, and of those fingerprints."""
    makers = [*(key.fingerprint for key in _makers(trade)), *others]
    trade.rendezvous.call("PUT", "/trust", {"manufacturers": makers})


def tell(service: Service, *directives: dict[str, object]) -> None:
    """Set what a factory or an owner of ours tells devices of rendezvous."""
    service.call("PUT", "/rvinfo", {"directives": directives})


def directive(rendezvous: str, **more: object) -> dict[str, object]:
    """One directive for the server there; ``delay`` keeps failures short."""
    url = httpx.URL(rendezvous)
    here = {"ip": url.host, "device_port": url.port, "owner_port": url.port}
    return {**here, "protocol": "http", "delay": 1, **more}


def _makers(trade: Trade) -> list[KeyInfo]:
    """Owners too: each is the manufacturer of the voucher it makes in TO2."""
    kinds = (KeyKind.MANUFACTURER, KeyKind.OWNER)
    return [key for kind in kinds for key in trade.keys[kind].values()]


def _more_keys(store: KeyStore) -> None:
    """Site has made the P-256 keys."""
    for algorithm in KeyAlgorithm:
        if algorithm is not KeyAlgorithm.P256:
            for kind in (KeyKind.OWNER, KeyKind.MANUFACTURER):
                name = f"{kind.value}-{algorithm.value.lower()}"
                store.create(name, kind, algorithm)
    store.create("device-ca-p-384", KeyKind.DEVICE_CA, KeyAlgorithm.P384)


def _by_kind(store: KeyStore) -> dict[KeyKind, dict[KeyAlgorithm, KeyInfo]]:
    return {kind: {i.algorithm: i for i in store.list(kind)} for kind in KeyKind}


@contextmanager
def _process(site: Site, role: Role, more: Mapping[str, object]) -> Iterator[Service]:
    settings = site.settings(role)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    port_file = site.directory / f"{role.value}.port"
    environment = {
        "VOUCHGATE_DATABASE_URL": settings.database_url,
        "VOUCHGATE_KEY_DIRECTORY": str(settings.key_directory),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(settings.key_passphrase_file),
        "VOUCHGATE_TASK_POLL_SECONDS": "0.05",
        "VOUCHGATE_TO2_HMAC_CIPHERS": "true",
        **{f"VOUCHGATE_{name.upper()}": str(value) for name, value in more.items()},
    }
    serve = [sys.executable, "-m", "onboarding.cli", "serve", "--role", role.value]
    command = [*serve, "--port", "0", "--port-file", str(port_file)]
    home = site.directory / role.value
    with serving(command, home, port_file.exists, environment):
        url = f"http://127.0.0.1:{port_file.read_text().strip()}"
        headers = {"X-API-Key": key}
        with httpx.Client(
            base_url=url, headers=headers, timeout=SECONDS, trust_env=False
        ) as http:
            yield Service(url, http)
