"""An owner moves from go-fdo-server to ours, by the two ways of the guide.

One device was onboarded there and has the credential of that; one still waits.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.services.compat.answers import PEM_TYPE
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role
from tests.support.compat_site import Incumbent, incumbent
from tests.support.interop.go_fdo_server import (
    PROGRAM,
    WITHOUT,
    GoFdoServer,
    directive,
    go_fdo_server,
)
from tests.support.interop.go_fdo_server_keys import PKCS8
from tests.support.interop.go_services import plain
from tests.support.interop.our_device import OurDevice, our_device
from tests.support.interop.services import wait_for

pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason=WITHOUT),
    *(
        pytest.mark.skipif(shutil.which(tool) is None, reason=f"there is no {tool}")
        for tool in ("curl", "jq", "sqlite3", "xxd")
    ),
]

PAIR = "An owner moves from go-fdo-server to ours"
EXAMPLES = Path(__file__).parents[2] / "docs/examples/from-go-fdo-server"
VOUCHERS = "/api/v1/owner/vouchers"


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Incumbent]:
    (tmp_path / "ours").mkdir()
    for found in incumbent(tmp_path / "ours"):
        found.set_up()
        yield found


@contextmanager
def before(
    peer: Incumbent, tmp_path: Path
) -> Iterator[tuple[GoFdoServer, list[OurDevice]]]:
    """Theirs, and two devices that find our rendezvous; the first is onboarded."""
    with (
        go_fdo_server(tmp_path / "theirs") as theirs,
        our_device(tmp_path / "onboarded") as done,
        our_device(tmp_path / "waiting") as waiting,
    ):
        theirs.trust(theirs.keys.device_ca)
        settings_go_along(peer, theirs)
        theirs.announce(directive(peer.url(Role.RENDEZVOUS)))
        for device in (done, waiting):
            theirs.take(theirs.voucher(device.initialise(theirs.factory.url)))
        theirs.announced(done.guid)
        first = done.guid
        done.onboard()
        assert theirs.owned(first)["guid"] == plain(done.guid)
        yield theirs, [done, waiting]


def settings_go_along(peer: Incumbent, theirs: GoFdoServer) -> None:
    """What its paths give, ours take as it is: the guide pipes one into the other."""
    path, as_pem = "/api/v1/device-ca?limit=0", {"Accept": PEM_TYPE}
    known = theirs.rendezvous.ask("GET", path, headers=as_pem).text
    added = peer.ask(Role.RENDEZVOUS, "POST", "/api/v1/device-ca", known)
    assert added.json()["imported"] == 1
    path = "/api/v2/rvinfo"
    told = theirs.factory.ask("GET", path).text
    assert peer.ask(Role.MANUFACTURING, "PUT", path, told).status_code == 200
    assert peer.ask(Role.MANUFACTURING, "GET", path).json() == json.loads(told)
    path = "/api/v1/owner/redirect"
    told = theirs.owner.ask("GET", path).text
    assert peer.ask(Role.OWNER, "PUT", path, told).status_code == 200
    assert peer.ask(Role.OWNER, "PUT", path, peer.redirect()).status_code == 200


def ours_onboards(peer: Incumbent, device: OurDevice) -> None:
    guid = device.guid
    wait_for(lambda: peer.state(guid) == "registered", lambda: peer.state(guid))
    device.onboard()
    assert device.guid != guid
    assert peer.state(device.guid) == "owned"


def run(*command: str | Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        [*map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def buyer(peer: Incumbent, tmp_path: Path) -> Path:
    """Our owner's public key, as a file."""
    file = tmp_path / "new-owner.pem"
    file.write_text(peer.site.keys[KeyKind.OWNER].public_pem)
    return file


@pytest.mark.interop(PAIR)
def test_its_owner_sells_all_its_devices_to_ours(
    peer: Incumbent, tmp_path: Path
) -> None:
    with before(peer, tmp_path) as (theirs, devices):
        sold = tmp_path / "sold"
        script = EXAMPLES / "sell-all"
        run(script, theirs.owner.url, buyer(peer, tmp_path), sold)
        files = {file.stem: file for file in sold.iterdir()}
        assert set(files) == {plain(device.guid) for device in devices}
        pem = "".join(file.read_text() for file in files.values())
        assert peer.ask(Role.OWNER, "POST", VOUCHERS, pem).status_code == 200
        assert not theirs.owner.ask("GET", "/api/v1/owner/devices").json()
        for device in devices:
            ours_onboards(peer, device)


@pytest.mark.interop(PAIR)
def test_vouchers_are_taken_from_its_database_and_signed_over_to_ours(
    peer: Incumbent, tmp_path: Path
) -> None:
    old, found, sold = (tmp_path / n for n in ("old.pem", "found.pem", "sold.pem"))
    with before(peer, tmp_path) as (theirs, devices):
        old.write_bytes(theirs.keys.owner.private_bytes(Encoding.PEM, *PKCS8))
        kept = theirs.directory / "owner" / "state.db"
        found.write_text(run(EXAMPLES / "vouchers-of-database", kept))
        to = ("--to", buyer(peer, tmp_path), "--out", sold)
        command = (sys.executable, "-m", "onboarding.cli", "voucher", "extend")
        run(*command, found, "--key", old, *to)
        taken = peer.ask(Role.OWNER, "POST", VOUCHERS, sold.read_text())
        assert (taken.status_code, taken.text) == (200, "")
        for device in devices:
            ours_onboards(peer, device)


@pytest.mark.interop(PAIR)
def test_with_its_owner_s_key_vouchers_of_its_factory_are_taken_as_they_are(
    peer: Incumbent, tmp_path: Path
) -> None:
    with before(peer, tmp_path) as (theirs, (_done, waiting)):
        kept = theirs.voucher(waiting.guid)
        assert peer.ask(Role.OWNER, "POST", VOUCHERS, kept).status_code == 400
        home = peer.site.directory
        keys = ("--key-directory", home / "keys")
        opens = ("--key-passphrase-file", home / "passphrase")
        command = (sys.executable, "-m", "onboarding.cli", "keys", "import")
        file = theirs.keys.directory / "owner.der"
        run(*command, file, "--kind", "owner", "--name", "incumbent", *keys, *opens)

        def taken() -> bool:
            return peer.ask(Role.OWNER, "POST", VOUCHERS, kept).status_code == 200

        wait_for(taken, lambda: "the key was not heeded")
        ours_onboards(peer, waiting)
