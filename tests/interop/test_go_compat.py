"""go-fdo-client and go-fdo-server's management paths, all served by ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.services.settings import Role
from tests.support.compat_site import Incumbent, incumbent
from tests.support.interop.go_client import COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.services import wait_for

PAIR = "go-fdo-client as device; go-fdo-server's management paths on ours"
OWNER = Role.OWNER


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Incumbent]:
    for found in incumbent(tmp_path_factory.mktemp("compat")):
        found.set_up()
        yield found


@pytest.mark.interop(PAIR, title="The way of its onboarding script, at one port a role")
def test_a_device_goes_the_way_of_their_script(
    go: GoPeers, peer: Incumbent, tmp_path: Path
) -> None:
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    device.initialise(peer.url(Role.MANUFACTURING))
    guid = hexadecimal(device.guid())
    path = f"/api/v1/vouchers/{guid}"
    voucher = peer.ask(Role.MANUFACTURING, "GET", path).text
    reply = peer.ask(OWNER, "POST", "/api/v1/owner/vouchers", voucher)
    assert reply.status_code == 200, reply.text
    wait_for(lambda: peer.state(guid) == "registered", lambda: peer.state(guid))
    device.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    (found,) = peer.ask(OWNER, "GET", f"/api/v1/owner/devices?old_guid={guid}").json()
    assert found["to2_completed"]
    assert found["guid"] == hexadecimal(device.guid()) != guid


def hexadecimal(guid: str) -> str:
    """A GUID as their paths take it: without dashes."""
    return guid.replace("-", "")
