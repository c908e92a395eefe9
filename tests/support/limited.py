"""A service with devices of two sites and of two lines, and keys for one of each.

Every key here is a TEST KEY.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx

from onboarding.services.api.examples import EXAMPLES
from onboarding.services.context import Context, open_context
from onboarding.services.lines import LineDocument
from onboarding.services.settings import Role as Service
from onboarding.services.voucher_records import record_of
from onboarding.store.apikeys import Role
from onboarding.store.making import Making, SameSerial
from ownership_vouchers.types import Guid
from tests.support.api_bench import ENDLESS, Api, filled
from tests.support.console_stock import Stock
from tests.support.owner_bench import Clock
from tests.support.services import Site
from tests.support.supply_chain import SupplyChain

OURS, THEIRS = "berlin", "munich"
LINES = ("line-7", "line-8")


@dataclass(frozen=True)
class Limited:
    """One service; ``near`` are devices that a limited key is for, ``far`` are not."""

    api: Api
    keys: dict[str, str]  # by role
    near: dict[str, Guid]  # by who looks: "labels" or "lines"
    far: dict[str, Guid]

    def ask(self, who: str, route: str, guid: Guid | None = None) -> httpx.Response:
        """Send a route with its example, its GUID and its line filled in."""
        named = route
        if guid is not None:
            line = LINES[0] if guid == self.near[kind_of(who)] else LINES[1]
            named = route.replace("{guid}", str(guid))
            named = named.replace("/lines/{name}", f"/lines/{line}")
        method, path = filled(named)
        body = EXAMPLES.get(route)
        more: dict[str, Any] = {} if body is None else {"json": body}
        if isinstance(body, str):
            more = {"content": body}
        key, http = self.keys[who], self.api.service.http
        if route in ENDLESS:
            headers = {"X-API-Key": key}
            with http.stream("GET", f"/api/v1{path}", headers=headers) as reply:
                if reply.is_error:
                    reply.read()
                return reply
        return self.api.service.call(
            key, method, path, **({} if body is None else more)
        )


def kind_of(who: str) -> str:
    """By what the key of a role is limited here."""
    return "lines" if who == "manufacturer" else "labels"


def limited(site: Site, **changed: Any) -> Iterator[Limited]:
    """Run the service until the test ends."""
    settings = site.settings(Service.ALL, background=False, **changed)
    admin = {role: site.api_key(settings, role) for role in Role}
    with closing(open_context(settings)) as context:
        labels = _sites(context)
        lines = _lines(context)
    with site.serve(settings) as service:
        api = Api(site, service, admin)
        keys = {
            "operator": _key(api, "operator", labels={"site": OURS}),
            "security": _key(api, "security", labels={"site": OURS}),
            "manufacturer": _key(api, "manufacturer", lines=[LINES[0]]),
        }
        pairs = {"labels": labels, "lines": lines}
        near = {kind: pair[0] for kind, pair in pairs.items()}
        far = {kind: pair[1] for kind, pair in pairs.items()}
        yield Limited(api, keys, near, far)


def _key(api: Api, role: str, **limits: object) -> str:
    made = api.call("POST", "/apikeys", json={"name": "n", "role": role, **limits})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


def _sites(context: Context) -> tuple[Guid, Guid]:
    """Two devices with a whole past, alike but for their label."""
    stock = Stock(context, Clock())
    found = []
    for site, serial in ((OURS, "NEAR-1"), (THEIRS, "FAR-1")):
        guid = stock.imported(serial)
        labels = {"site": site, "rack": "7"}
        context.stores.devices.describe(guid.raw, "t", context.now(), labels=labels)
        stock.onboarded(guid)
        stock.asked(guid)
        found.append(guid)
    return found[0], found[1]


def _lines(context: Context) -> tuple[Guid, Guid]:
    """Two devices that were just made, and the lines that made them."""
    now, found, chain = context.now(), [], SupplyChain()
    for line, serial in zip(LINES, ("NEAR-2", "FAR-2"), strict=True):
        context.stores.lines.put(line, LineDocument().encode(), "t", now)
        voucher = chain.make_device(serial).voucher
        how = Making(
            line, "", voucher.guid.raw * 2, now, None, lambda: SameSerial.ALARM
        )
        context.stores.made.make(record_of(voucher, serial, now, None), how, "t")
        found.append(voucher.guid)
    return found[0], found[1]
