"""One trade with our services in it and with go-fdo-server itself.

Whoever made a device, whoever keeps the rendezvous and whoever bought it: the vouchers
and registrations of the one must do at the other.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from ownership_vouchers.pem import load_voucher
from tests.support.interop.go_client import ALGORITHMS, COMPLETE, GoClient
from tests.support.interop.go_fdo_server import (
    PROGRAM,
    WITHOUT,
    GoFdoServer,
    go_fdo_server,
)
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.go_services import plain
from tests.support.interop.matrix import KEX
from tests.support.interop.our_device import (
    KEY_TYPES,
    ChosenDevice,
    our_device,
    suites,
)
from tests.support.interop.partners import OURS, THEIRS, Partners
from tests.support.interop.services import (
    Trade,
    introduce,
    wait_for,
)

pytestmark = pytest.mark.skipif(not PROGRAM, reason=WITHOUT)

PAIR = "Our services and go-fdo-server in one trade"
KINDS = ("ec256", "ec384", "rsa2048")
Both = Callable[[str], Partners]


@pytest.fixture
def both(trade: Trade, incumbents: Callable[[str], GoFdoServer]) -> Iterator[Both]:
    yield lambda kind: Partners(trade, incumbents(kind), kind)
    introduce(trade)


PLACES = [
    one
    for one in product(("our device", "go-fdo-client"), *([(OURS, THEIRS)] * 3))
    if one != ("go-fdo-client", THEIRS, THEIRS, THEIRS)
]
BRIEF = {
    ("our device", THEIRS, OURS, OURS),
    ("our device", OURS, THEIRS, THEIRS),
    ("go-fdo-client", THEIRS, OURS, THEIRS),
}


@pytest.mark.interop(
    PAIR,
    title="DI, sale, TO0, TO1 and TO2, by who runs what",
    rows=("device", "factory", "rendezvous"),
    column="owner",
)
@pytest.mark.parametrize(
    ("device", "factory", "rendezvous", "owner"),
    [
        pytest.param(*one, marks=() if one in BRIEF else pytest.mark.full)
        for one in PLACES
    ],
)
def test_a_device_goes_from_any_factory_to_any_owner_over_any_rendezvous(
    device: str,
    factory: str,
    rendezvous: str,
    owner: str,
    go: GoPeers,
    both: Both,
    tmp_path: Path,
) -> None:
    partners = both("ec256")
    made_at = partners.made(factory, partners.rendezvous(rendezvous))
    if device == "go-fdo-client":
        client = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
        client.initialise(made_at)
        guid = client.guid()
        partners.sold(guid, factory, owner)
        client.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    else:
        with our_device(tmp_path / "device") as ours:
            guid = ours.initialise(made_at)
            partners.sold(guid, factory, owner)
            ours.onboard()
    partners.owned(guid, owner)


WAYS = ("ours to go-fdo-server and back", "go-fdo-server to ours and back")


@pytest.mark.interop(
    PAIR,
    title="Vouchers, by key and encoding: extended by one, imported by the other",
    rows=("key", "encoding"),
    column="way",
)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("key", "encoding"),
    [
        ("ec256", "x509"),
        pytest.param("ec256", "cose", marks=pytest.mark.full),
        pytest.param("ec384", "x509", marks=pytest.mark.full),
        pytest.param("ec384", "cose", marks=pytest.mark.full),
        ("rsa2048", "x509"),
    ],
)
def test_a_voucher_changes_hands_and_comes_back(
    key: str, encoding: str, way: str, both: Both, client: httpx.Client
) -> None:
    partners = both(key)
    trade, theirs = partners.trade, partners.theirs
    buyer = theirs.keys.owner_pem
    if way.startswith("ours"):
        made = ChosenDevice.made_at(client, trade.factory.url, key, encoding)
        theirs.take(trade.sold(made.guid, buyer))
        last = theirs.resold(made.guid, partners.mine)
        trade.take(last)
        entries = 2
    else:
        made = ChosenDevice.made_at(client, theirs.factory.url, key, encoding)
        theirs.take(theirs.voucher(made.guid))
        trade.take(theirs.resold(made.guid, partners.mine))
        last = trade.resold(made.guid, buyer)
        theirs.take(last)
        entries = 3
    voucher = load_voucher(last.strip().encode())
    assert (str(voucher.guid), len(voucher.entries)) == (made.guid, entries)
    assert voucher.owner_key.type is KEY_TYPES[key]


@pytest.mark.interop(
    PAIR,
    title="TO0 of one at the rendezvous of the other, then TO1 and TO2",
    rows=("key",),
    column="owner",
)
@pytest.mark.parametrize("owner", [OURS, THEIRS])
@pytest.mark.parametrize(
    "key", ["ec384", *(pytest.param(k, marks=pytest.mark.full) for k in KINDS[::2])]
)
def test_an_owner_is_found_over_the_rendezvous_of_the_other(
    key: str, owner: str, both: Both, client: httpx.Client
) -> None:
    partners = both(key)
    found_at = partners.rendezvous(THEIRS if owner == OURS else OURS)
    partners.made(OURS, found_at)
    url = partners.trade.factory.url
    made = ChosenDevice.made_at(client, url, key, "x509")
    partners.sold(made.guid, OURS, owner)
    to1d = made.find_owner(found_at)
    buyer = partners.trade if owner == OURS else partners.theirs
    made.onboard(buyer.owner.url, to1d, **suites(KEX[key][-1], "A256GCM"))
    partners.owned(made.guid, owner)


@pytest.mark.interop(PAIR)
def test_its_factory_signs_new_vouchers_over_to_our_owner(
    trade: Trade, both: Both, tmp_path: Path
) -> None:
    certificate = trade.owner_key(ALGORITHMS["ec256"]).certificate_pem
    assert certificate is not None
    with go_fdo_server(tmp_path / "theirs", buyer=certificate) as theirs:
        made_at = Partners(trade, theirs, "ec256").made(THEIRS, trade.rendezvous.url)
        with our_device(tmp_path / "device") as device:
            guid = device.initialise(made_at)
            trade.take(theirs.voucher(guid))
            trade.announced(guid)
            device.onboard()
    trade.reached(guid, "owned")
    both("ec256")


@pytest.mark.interop(PAIR)
def test_its_owner_refuses_a_voucher_of_ours_that_names_another_owner(
    both: Both, client: httpx.Client
) -> None:
    partners = both("ec256")
    trade = partners.trade
    made = ChosenDevice.made_at(client, trade.factory.url, "ec256", "x509")
    pem = trade.sold(made.guid, partners.mine)
    reply = partners.theirs.owner.ask("POST", "/api/v1/owner/vouchers", pem)
    assert (reply.status_code, reply.text) == (400, "Invalid ownership voucher\n")


@pytest.mark.interop(PAIR)
def test_a_device_is_sold_from_its_owner_to_ours_and_back(
    both: Both, tmp_path: Path
) -> None:
    partners = both("ec256")
    trade, theirs = partners.trade, partners.theirs
    made_at = partners.made(THEIRS, partners.rendezvous(THEIRS))
    with our_device(tmp_path / "device") as device:
        first = device.initialise(made_at)
        partners.sold(first, THEIRS, THEIRS)
        device.onboard()
        second = device.guid
        trade.take(theirs.resold(second, partners.mine))
        trade.announced(second)
        device.onboard()
        third = device.guid
        theirs.take(trade.resold(third, theirs.keys.owner_pem))
        theirs.announced(third)
        device.onboard()
        assert theirs.owned(third)["guid"] == plain(device.guid)
    assert len({first, second, third, device.guid}) == 4


@pytest.mark.interop(PAIR)
def test_our_owner_renews_in_time_when_its_rendezvous_grants_less(
    trade: Trade, both: Both, client: httpx.Client, tmp_path: Path
) -> None:
    with go_fdo_server(tmp_path, rendezvous=["--to0-max-wait", "90"]) as theirs:
        server = _registered(Partners(trade, theirs, "ec256"), client)
        assert server["granted"] == 90
        assert server["at"] < server["due"] < server["until"] == server["at"] + 90
    both("ec256")


@pytest.mark.interop(PAIR)
def test_our_owner_says_why_its_rendezvous_refused_it(
    trade: Trade, both: Both, client: httpx.Client, tmp_path: Path
) -> None:
    """It takes no registration for less time than it was told to ask for."""
    with go_fdo_server(tmp_path, rendezvous=REFUSES) as theirs:
        server = _registered(Partners(trade, theirs, "ec256"), client)
        assert not server["granted"]
        assert "below minimum" in server["error"], server
    both("ec256")


@pytest.mark.interop(PAIR)
def test_a_rendezvous_of_theirs_that_was_told_of_no_device_ca_takes_nothing(
    tmp_path: Path, client: httpx.Client
) -> None:
    with go_fdo_server(tmp_path) as theirs:
        url = theirs.factory.url
        made = ChosenDevice.made_at(client, url, "ec256", "x509")
        theirs.take(theirs.voucher(made.guid))
        told = "signed by unknown authority"
        wait_for(lambda: told in theirs.said, lambda: theirs.said[-2000:])


REFUSES = ("--to0-min-wait", "4000000", "--to0-max-wait", "4000000")


def _registered(partners: Partners, client: httpx.Client) -> dict[str, Any]:
    """How their rendezvous answered our owner, for a new device of ours."""
    trade = partners.trade
    partners.made(OURS, partners.rendezvous(THEIRS))
    made = ChosenDevice.made_at(client, trade.factory.url, "ec256", "x509")
    trade.take(trade.sold(made.guid, partners.mine))

    def answered() -> bool:
        return any(one["at"] for one in trade.registrations(made.guid))

    wait_for(answered, lambda: str(trade.registrations(made.guid)))
    (server,) = trade.registrations(made.guid)
    return server
