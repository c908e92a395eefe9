"""One trade with both kinds of services in it: ours, and those of go-fdo.

Whoever made a device, whoever keeps the rendezvous and whoever bought it: the vouchers
and registrations of the one must do at the other.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from _pytest.mark import ParameterSet
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from ownership_vouchers.pem import load_voucher
from tests.support.interop.go_client import ALGORITHMS, COMPLETE, GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.go_services import GoServices, plain
from tests.support.interop.matrix import KEX, encodings
from tests.support.interop.our_device import (
    ENCODINGS,
    KEY_TYPES,
    ChosenDevice,
    our_device,
    suites,
)
from tests.support.interop.services import Trade, directive, introduce, tell, trust

KEYS = tuple(KEX)
OURS, THEIRS = "ours", "go-fdo's"
Sale = Callable[[str], None]


@pytest.fixture
def partners(trade: Trade, services: GoServices) -> Iterator[Trade]:
    """Our services, having heard of theirs."""
    services.policy()
    services.announce(directive(services.url))
    trust(trade, *(_fingerprint(services.key("manufacturer", key)) for key in KEYS))
    yield trade
    introduce(trade)


def _fingerprint(pem: str) -> str:
    key = load_pem_public_key(pem.encode())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


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
    "Both kinds of services in one trade",
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
    partners: Trade,
    services: GoServices,
    tmp_path: Path,
) -> None:
    trade = partners
    found_at = trade.rendezvous.url if rendezvous == OURS else services.url
    made_at = trade.factory.url if factory == OURS else services.url
    tell(trade.factory, directive(found_at))
    services.announce(directive(found_at))
    buyer = trade.owner_key(ALGORITHMS["ec256"]).public_pem
    buyer = buyer if owner == OURS else services.key("owner", "ec256")

    def sell(guid: str) -> None:
        seller = trade if factory == OURS else services
        voucher = seller.sold(guid, buyer)
        if owner == OURS:
            trade.take(voucher)
            trade.announced(guid)
        else:
            services.take(voucher)
            services.register(guid, found_at)

    if device == "go-fdo-client":
        guid = _go_client(go, tmp_path, made_at, sell)
    else:
        guid = _our_device(tmp_path, made_at, sell)
    if owner == OURS:
        trade.reached(guid, "owned")
    else:
        assert services.fate(guid)["done"]


def _our_device(tmp_path: Path, made_at: str, sell: Sale) -> str:
    with our_device(tmp_path / "device") as device:
        guid = device.initialise(made_at)
        sell(guid)
        device.onboard()
    return guid


def _go_client(go: GoPeers, tmp_path: Path, made_at: str, sell: Sale) -> str:
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    device.initialise(made_at)
    guid = device.guid()
    sell(guid)
    device.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    return guid


NO_COSE = "go-fdo writes COSE keys of curves only, and so do we"


def cells(ways: Collection[str], brief: Collection[str]) -> list[ParameterSet]:
    """Keys and encodings; all but those of the ``brief`` keys only in a full run."""
    return [
        pytest.param(*cell, marks=() if key in brief else pytest.mark.full)
        for key in KEYS
        for cell in product([key], encodings(key), ways)
    ]


def without_a_peer(ways: Collection[str]) -> list[ParameterSet]:
    """What none of them has, for the report."""
    marks = (pytest.mark.full, pytest.mark.skip(NO_COSE))
    rsa = (key for key in KEYS if "cose" not in encodings(key))
    return [pytest.param(*cell, marks=marks) for cell in product(rsa, ["cose"], ways)]


WAYS = ("ours to go-fdo and back", "go-fdo to ours and back")


@pytest.mark.interop(
    "Both kinds of services in one trade",
    title="Vouchers, by key and encoding: extended by one, imported by the other",
    rows=("key", "encoding"),
    column="way",
)
@pytest.mark.parametrize(
    ("key", "encoding", "way"), [*cells(WAYS, KEYS[:3]), *without_a_peer(WAYS)]
)
def test_a_voucher_changes_hands_twice(
    key: str,
    encoding: str,
    way: str,
    partners: Trade,
    services: GoServices,
    client: httpx.Client,
) -> None:
    trade = partners
    mine, theirs = _buyers(trade, services, key, encoding)
    if way.startswith("ours"):
        made = ChosenDevice.made_at(client, trade.factory.url, key, encoding)
        services.take(trade.sold(made.guid, theirs))
        last = services.sold(made.guid, mine, "owner")
        trade.take(last)
    else:
        made = ChosenDevice.made_at(client, services.url, key, encoding)
        trade.take(services.sold(made.guid, mine))
        last = trade.resold(made.guid, theirs)
        services.take(last)
    voucher = load_voucher(last.strip().encode())
    assert (str(voucher.guid), len(voucher.entries)) == (made.guid, 2)
    keys = [voucher.header.manufacturer_key, *(e.public_key for e in voucher.entries)]
    assert {one.encoding for one in keys} == {ENCODINGS[encoding]}
    assert {one.type for one in keys} == {KEY_TYPES[key]}


def _buyers(
    trade: Trade, services: GoServices, key: str, encoding: str
) -> tuple[str, str]:
    """Our owner and theirs, as a seller must know them: X5CHAIN needs certificates."""
    mine = trade.owner_key(ALGORITHMS[key])
    if encoding != "x5chain":
        return mine.public_pem, services.key("owner", key)
    assert mine.certificate_pem is not None
    return mine.certificate_pem, services.chain("owner", key)


@pytest.mark.interop(
    "Both kinds of services in one trade",
    title="TO0 of one at the rendezvous of the other, then TO1 and TO2",
    rows=("key", "encoding"),
    column="owner",
)
@pytest.mark.parametrize(
    ("key", "encoding", "owner"), cells((OURS, THEIRS), ("ec384",))
)
def test_an_owner_is_found_over_the_rendezvous_of_the_other(
    key: str,
    encoding: str,
    owner: str,
    partners: Trade,
    services: GoServices,
    client: httpx.Client,
) -> None:
    trade = partners
    mine, theirs = _buyers(trade, services, key, encoding)
    found_at = services.url if owner == OURS else trade.rendezvous.url
    tell(trade.factory, directive(found_at))
    made = ChosenDevice.made_at(client, trade.factory.url, key, encoding)
    if owner == OURS:
        trade.take(trade.sold(made.guid, mine))
        trade.announced(made.guid)
    else:
        services.take(trade.sold(made.guid, theirs))
        services.register(made.guid, found_at)
    to1d = made.find_owner(found_at)
    owner_url = trade.owner.url if owner == OURS else services.url
    made.onboard(owner_url, to1d, **suites(KEX[key][-1], "A256GCM"))
    if owner == OURS:
        trade.reached(made.guid, "owned")
    else:
        assert services.fate(made.guid)["done"]


@pytest.mark.interop("Both kinds of services in one trade")
def test_go_fdo_refuses_a_voucher_of_ours_that_names_another_owner(
    partners: Trade, services: GoServices, client: httpx.Client
) -> None:
    trade = partners
    made = ChosenDevice.made_at(client, trade.factory.url, "ec256", "x509")
    mine = trade.owner_key(ALGORITHMS["ec256"]).public_pem
    assert "another owner" in services.refusal(trade.sold(made.guid, mine))


@pytest.mark.interop("Both kinds of services in one trade")
def test_a_device_of_our_owner_is_resold_to_go_fdos_owner_and_onboarded_there(
    partners: Trade, services: GoServices, tmp_path: Path
) -> None:
    trade = partners
    with our_device(tmp_path / "device") as device:
        device.initialise(trade.factory.url)
        trade.buy(device.serial, ALGORITHMS["ec256"])
        device.onboard()
        owned = device.guid
        services.take(trade.resold(owned, services.key("owner", "ec256")))
        services.register(owned, trade.rendezvous.url)
        device.onboard()
    assert services.fate(owned)["replacement"] == plain(device.guid)


@pytest.mark.interop("Both kinds of services in one trade")
def test_a_device_of_go_fdos_owner_is_resold_to_our_owner_and_onboarded_here(
    partners: Trade, services: GoServices, go: GoPeers, tmp_path: Path
) -> None:
    trade = partners
    device = GoClient.new(go.program("go-fdo-client"), tmp_path, "ec256")
    device.initialise(services.url)
    services.take(services.sold(device.guid(), services.key("owner", "ec256")))
    services.register(device.guid(), services.url)
    device.onboard("ECDH256", "A128GCM").require(says=COMPLETE)
    owned = device.guid()
    mine = trade.owner_key(ALGORITHMS["ec256"]).public_pem
    trade.take(services.sold(owned, mine, "owner"))
    trade.announced(owned)
    device.onboard("ECDH256", "A128GCM", "--resale").require(says=COMPLETE)
    trade.reached(owned, "owned")


@pytest.mark.interop("Both kinds of services in one trade")
def test_our_owner_renews_in_time_when_go_fdos_rendezvous_grants_less(
    partners: Trade, services: GoServices, client: httpx.Client
) -> None:
    trade = partners
    services.policy(max_ttl=90)
    tell(trade.factory, directive(services.url))
    made = ChosenDevice.made_at(client, trade.factory.url, "ec256", "x509")
    trade.take(trade.sold(made.guid, trade.owner_key(ALGORITHMS["ec256"]).public_pem))
    trade.announced(made.guid)
    (server,) = trade.registrations(made.guid)
    assert server["granted"] == 90
    assert server["at"] < server["due"] < server["until"] == server["at"] + 90
