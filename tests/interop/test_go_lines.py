"""go-fdo-client on production lines of our factory."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.services import Trade
from tests.support.interop.station import station

PAIR = "go-fdo-client as device; our manufacturing, rendezvous and owner"


def line(trade: Trade, name: str, **settings: Any) -> str:
    trade.factory.call("PUT", f"/lines/{name}", settings)
    return f"{trade.factory.url}/line/{name}"


def made(trade: Trade, device: GoClient) -> list[dict[str, Any]]:
    path = f"/made?serial={device.serial}"
    found: list[dict[str, Any]] = trade.factory.call("GET", path)["items"]
    return found


@pytest.mark.interop(PAIR, title="DI on a production line, by its path")
def test_a_device_is_made_on_the_line_whose_path_it_is_given(
    go: GoPeers, trade: Trade, tmp_path: Path
) -> None:
    url = line(trade, "open", require_key=False)
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    device.initialise(url)
    (found,) = made(trade, device)
    assert found["line"] == "open"
    guid = trade.buy(device.serial, device.algorithm)
    device.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    assert trade.reached(guid, "owned")


@pytest.mark.interop(PAIR, title="DI on a line that wants a key, by a station's proxy")
def test_a_station_s_proxy_speaks_for_plain_devices(
    go: GoPeers, trade: Trade, tmp_path: Path
) -> None:
    url = line(trade, "keyed")
    hired = trade.factory.call("POST", "/lines/keyed/stations", {"name": "bench 1"})
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    with pytest.raises(AssertionError, match="error"):
        device.initialise(url)
    assert made(trade, device) == []
    with station(url, hired["key"]) as proxy:
        device.initialise(proxy)
    (found,) = made(trade, device)
    assert (found["line"], found["station"]) == ("keyed", "bench 1")
