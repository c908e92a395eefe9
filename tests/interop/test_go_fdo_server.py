"""Our device, and go-fdo-server itself: manufacturing, rendezvous and owner.

Nothing here builds it: ``VOUCHGATE_GO_FDO_SERVER`` names the program.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from onboarding.device.errors import NobodyThere
from onboarding.device.http import new_client
from onboarding.protocol.errors import PeerFailed
from onboarding.tls import Trust
from ownership_vouchers.errors import UnsupportedKeyError
from tests.support.interop.go_fdo_server import (
    PROGRAM,
    WITHOUT,
    GoFdoServer,
    bypassing,
    directive,
    go_fdo_server,
)
from tests.support.interop.go_services import plain
from tests.support.interop.matrix import (
    CIPHERS,
    COLUMN,
    KEX,
    ROWS,
    Cell,
    encodings,
)
from tests.support.interop.our_device import (
    ChosenDevice,
    OurDevice,
    our_device,
    suites,
)

pytestmark = pytest.mark.skipif(not PROGRAM, reason=WITHOUT)

PAIR = "Our device; go-fdo-server's manufacturing, rendezvous and owner"
KINDS = {k: k.replace("pss", "rsa") for k in KEX if not k.endswith("3072")}


def made_there(key: str) -> tuple[str, ...]:
    """The encodings that its factory makes: it has no chain of certificates."""
    return tuple(one for one in encodings(key) if one != "x5chain")


CELLS = [
    (key, encoding, kex, cipher)
    for key in KINDS
    for encoding in made_there(key)
    for kex in KEX[key]
    for cipher in CIPHERS
]
BRIEF = {
    ("ec256", "x509", "ECDH256", "A128GCM"),
    ("ec384", "cose", "ECDH384", "A256GCM"),
    ("rsa2048", "x509", "ASYMKEX2048", "A256GCM"),
}


@dataclass
class Fleet:
    """Devices of ours that one of its factories made, all known to its rendezvous."""

    theirs: GoFdoServer
    http: httpx.Client
    made: dict[Cell, ChosenDevice] = field(default_factory=dict)

    def make(self, cells: list[Cell]) -> None:
        """Make one for each, and wait until it can be found: once for them all."""
        url = self.theirs.factory.url
        for cell in cells:
            one = ChosenDevice.made_at(self.http, url, *cell[:2])
            self.made[cell] = one
            self.theirs.take(self.theirs.voucher(one.guid))
        for one in self.made.values():
            self.theirs.announced(one.guid)


@pytest.fixture(scope="module")
def fleets(
    incumbents: Callable[[str], GoFdoServer], request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Fleet]]:
    """By kind of key: it has one kind of key in a process."""
    mine = [one for one in request.session.items if one.path == Path(__file__)]
    chosen = [one.callspec.params for one in mine if hasattr(one, "callspec")]
    wanted = [tuple(p[n] for n in (*ROWS, COLUMN)) for p in chosen if COLUMN in p]
    found: dict[str, Fleet] = {}
    with closing(new_client()) as client:

        def of(kind: str) -> Fleet:
            if kind not in found:
                theirs = incumbents(kind)
                theirs.trust(theirs.keys.device_ca)
                found[kind] = Fleet(theirs, client)
                found[kind].make([one for one in wanted if KINDS[one[0]] == kind])
            return found[kind]

        yield of


@pytest.fixture
def theirs(fleets: Callable[[str], Fleet]) -> GoFdoServer:
    """With keys of P-256, telling new devices of its own rendezvous."""
    found = fleets("ec256").theirs
    found.announce(directive(found.rendezvous.url))
    return found


@pytest.fixture
def device(theirs: GoFdoServer, tmp_path: Path) -> Iterator[OurDevice]:
    """Our device, from its factory, and known to its owner."""
    with our_device(tmp_path / "device") as made:
        theirs.take(theirs.voucher(made.initialise(theirs.factory.url)))
        yield made


@pytest.mark.interop(
    PAIR,
    title="DI, TO1 and TO2, by key, encoding, key exchange and cipher",
    rows=ROWS,
    column=COLUMN,
)
@pytest.mark.parametrize(
    (*ROWS, COLUMN),
    [
        pytest.param(*one, marks=() if one in BRIEF else pytest.mark.full)
        for one in CELLS
    ],
)
def test_our_device_goes_through(
    key: str, encoding: str, kex: str, cipher: str, fleets: Callable[[str], Fleet]
) -> None:
    fleet = fleets(KINDS[key])
    made = fleet.made[key, encoding, kex, cipher]
    to1d = made.find_owner(fleet.theirs.rendezvous.url)
    owned = made.onboard(fleet.theirs.owner.url, to1d, **suites(kex, cipher))
    assert fleet.theirs.owned(made.guid)["guid"] == plain(owned.guid)
    assert owned.guid != made.guid


@pytest.mark.interop(PAIR)
@pytest.mark.parametrize(
    ("key", "encoding"), [("ec256", "x5chain"), ("rsa2048", "cose")]
)
def test_its_factory_refuses_an_encoding_that_it_does_not_make(
    key: str, encoding: str, fleets: Callable[[str], Fleet], client: httpx.Client
) -> None:
    url = fleets(KINDS[key]).theirs.factory.url
    with pytest.raises(PeerFailed, match="error 500 to message 10"):
        ChosenDevice.made_at(client, url, key, encoding)


@pytest.mark.interop(PAIR)
def test_it_refuses_a_voucher_whose_key_is_not_what_its_type_says(
    theirs: GoFdoServer, client: httpx.Client
) -> None:
    """A factory of theirs has one key, and calls it what a device asks for."""
    with pytest.raises(UnsupportedKeyError, match="not of type SECP384R1"):
        ChosenDevice.made_at(client, theirs.factory.url, "ec384", "x509")


@pytest.mark.interop(PAIR)
def test_it_finds_its_owner_by_its_rendezvous_information(
    device: OurDevice, theirs: GoFdoServer
) -> None:
    before = device.guid
    theirs.announced(before)
    assert device.onboard().owner_url == theirs.owner.url
    assert theirs.owned(before)["guid"] == plain(device.guid)


@pytest.mark.interop(PAIR)
def test_it_goes_straight_to_the_owner_where_rendezvous_is_bypassed(
    theirs: GoFdoServer, tmp_path: Path
) -> None:
    with bypassing(theirs, tmp_path / "device") as device:
        before = device.guid
        assert device.onboard().owner_url == theirs.owner.url
    assert theirs.owned(before)


@pytest.mark.interop(PAIR)
def test_it_is_onboarded_again_after_its_owner_sold_it_to_itself(
    theirs: GoFdoServer, tmp_path: Path
) -> None:
    with bypassing(theirs, tmp_path / "device") as device:
        device.onboard()
        second = device.guid
        theirs.take(theirs.resold(second, theirs.keys.owner_pem))
        device.onboard()
    assert theirs.owned(second)["guid"] == plain(device.guid) != plain(second)


@pytest.mark.interop(PAIR)
def test_it_keeps_its_credential_when_the_owner_reuses_it(tmp_path: Path) -> None:
    with go_fdo_server(tmp_path / "theirs", owner=["--reuse-credentials"]) as theirs:
        with bypassing(theirs, tmp_path / "device") as device:
            before = device.guid
            device.onboard()
            assert device.guid == before
        with bypassing(theirs, tmp_path / "unwilling", reuse=False) as device:
            with pytest.raises(NobodyThere, match="credential to stay as it is"):
                device.onboard()


@pytest.mark.interop(PAIR)
def test_it_keeps_to_the_server_whose_certificate_its_factory_pinned(
    tmp_path: Path,
) -> None:
    """The hash has no algorithm in its vouchers; go-fdo then knows no pin."""
    with (
        go_fdo_server(tmp_path / "theirs", tls=True) as theirs,
        new_client(Trust(authorities=theirs.keys.tls_ca)) as secured,
    ):
        site = x509.load_pem_x509_certificate(theirs.keys.site_file.read_bytes())
        pin = site.fingerprint(hashes.SHA256()).hex()
        straight = directive(theirs.owner.url, rv_bypass=True)
        for name, one in (("right", pin), ("wrong", "ab" * 32)):
            theirs.announce({**straight, "sv_cert_hash": one})
            with our_device(tmp_path / name) as made:
                device = replace(made, client=secured)
                theirs.take(theirs.voucher(device.initialise(theirs.factory.url)))
                with (
                    nullcontext()
                    if name == "right"
                    else pytest.raises(
                        NobodyThere, match="not the one the device was told of"
                    )
                ):
                    device.onboard()


@pytest.mark.interop(PAIR)
def test_all_of_it_goes_over_tls(tmp_path: Path) -> None:
    with (
        go_fdo_server(tmp_path / "theirs", tls=True) as theirs,
        new_client(Trust(authorities=theirs.keys.tls_ca)) as secured,
        our_device(tmp_path / "device") as made,
    ):
        theirs.trust(theirs.keys.device_ca)
        device = replace(made, client=secured)
        before = device.initialise(theirs.factory.url)
        theirs.take(theirs.voucher(before))
        theirs.announced(before)
        taken = device.onboard()
        assert taken.owner_url == theirs.owner.url
        assert taken.owner_url.startswith("https:")
        assert theirs.owned(before)
