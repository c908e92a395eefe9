"""A buyer's owner service, and what the seller's is asked to do with a credential."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from onboarding.services.key_store import KeyInfo, KeyKind
from onboarding.services.settings import Role
from onboarding.store import apikeys
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain
from tests.support.services import Running, Site, Wire
from tests.support.soft_device import SoftDevice


@dataclass
class Buyer:
    """A second owner with keys of its own."""

    service: Running
    key: str
    owner_key: KeyInfo

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return self.service.call(self.key, method, path, **kwargs)


def call(chain: Chain, method: str, path: str, **kwargs: Any) -> Any:
    reply = chain.owner.call(chain.owner_key, method, path, **kwargs)
    assert reply.status_code == 200, reply.text
    return reply.json()


def plan(chain: Chain, device: SoftDevice, **body: Any) -> Any:
    path = f"/vouchers/{device.credential.guid}/credential"
    return call(chain, "PUT", path, json=body)


def onboard(chain: Chain, device: SoftDevice, **changed: Any) -> None:
    device.onboard(Wire.to(chain.owner.url), **changed)


@contextmanager
def running_buyer(directory: Path, databases: NewDatabase) -> Iterator[Buyer]:
    """An owner service whose API tells devices where it is."""
    site = Site(directory, own_keys=True, databases=databases)
    settings = site.settings(Role.OWNER)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with site.serve(settings) as service:
        url = httpx.URL(service.url)
        address = {"ip": url.host, "port": url.port, "protocol": "http"}
        found = Buyer(service, key, site.keys[KeyKind.OWNER])
        body = {"addresses": [address]}
        assert found.call("PUT", "/to2-address", json=body).status_code == 200
        yield found
