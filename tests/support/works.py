"""A manufacturing service, whoever manages it, and a station's wire."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from onboarding.device.http import LINE_KEY
from onboarding.protocol.errors import PeerFailed
from tests.support.services import Running, Site, Wire
from tests.support.soft_device import SoftDevice


@dataclass
class Works:
    """A manufacturing service, and who manages it."""

    site: Site
    service: Running
    key: str
    settings: Any

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return self.service.call(self.key, method, path, **kwargs)

    def line(self, name: str, **settings: Any) -> str:
        reply = self.call("PUT", f"/lines/{name}", json=settings)
        assert reply.status_code == 200, reply.text
        return f"{self.service.url}/line/{name}"

    def hire(self, name: str, station: str = "bench 1") -> str:
        body = {"name": station}
        reply = self.call("POST", f"/lines/{name}/stations", json=body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["key"])

    def made(self, serial: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call(
            "GET", "/made", params={"serial": serial}
        ).json()["items"]
        return found

    def voucher(self, device: SoftDevice) -> dict[str, Any]:
        path = f"/vouchers/{device.credential.guid}"
        found: dict[str, Any] = self.call("GET", path).json()
        return found


class Station(Wire):
    """A wire that shows a station's key, as a station's proxy would."""

    station_key: str = ""

    def post(self, kind: int, body: bytes, token: str | None = None) -> httpx.Response:
        self.sent.append((int(kind), body))
        headers = {"Content-Type": "application/cbor", LINE_KEY: self.station_key}
        if token is not None:
            headers["Authorization"] = token
        url = f"{self.urls[0]}/fdo/101/msg/{int(kind)}"
        return httpx.post(
            url, content=body, headers=headers, timeout=60, trust_env=False
        )


def at(url: str, key: str) -> Station:
    wire = Station.to(url)
    wire.station_key = key
    return wire


def refused(wire: Wire, serial: str = "SN-0") -> int:
    with pytest.raises(PeerFailed) as error:
        SoftDevice.made_at(wire, serial)
    return int(error.value.message.code)
