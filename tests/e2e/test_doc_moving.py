"""The guides are followed: from go-fdo-server to here.

In its place stands ours behind its paths, open as it is; the interop tests have itself,
where it is. Its database is one of its shape.
"""

import base64
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli_site import Capture, Site, answer, call, running_site
from tests.support.doc_commands import ROOT, Typed
from tests.support.doc_shell import Shell, shell
from tests.support.doc_story import MOVING, OPERATORS, Part, Stage, commands, follow

PROGRAMS = ("bash", "curl", "jq", "openssl", "sqlite3", "xxd")
STORY = (
    Part(OPERATORS, "1. Keys", end=3),
    Part(OPERATORS, "2. Keylime", end=1),
    Part(MOVING, "From go-fdo-server"),
    Part(MOVING, "The three"),
    Part(MOVING, "Moving"),
)
THEIRS = ("FACTORY", "OWNER", "RENDEZVOUS")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What is moved from: all of its roles on one port, and nobody needs a key."""
    home = tmp_path_factory.mktemp("theirs")
    compat = {
        "VOUCHGATE_COMPAT": "go-fdo-server",
        "VOUCHGATE_COMPAT_PORT": "0",
        "VOUCHGATE_COMPAT_PORT_FILE": str(home / "compat"),
        "VOUCHGATE_INSECURE_COMPAT_OPEN": "true",
    }
    with running_site(home, more=compat) as site:
        yield site


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory, theirs: Site) -> Iterator[Shell]:
    missing = [one for one in PROGRAMS if shutil.which(one) is None]
    if missing:
        pytest.skip(f"the guides use what is not installed: {', '.join(missing)}")
    with shell(tmp_path_factory.mktemp("guides")) as found:
        found.do("unset -f curl")  # the guide's own says -f
        old = f"http://127.0.0.1:{(theirs.home / 'compat').read_text().strip()}"
        found.do(" ".join(f"FROM_{role}={old}" for role in THEIRS))
        found.instead |= {
            "http://old-owner:8043": old,
            "docs/examples": str(ROOT / "docs/examples"),
        }
        yield found


def _all_roles(bash: Shell, _typed: Typed) -> None:
    """Three services are started as one is."""
    file = bash.home / "owner/env"
    file.write_text(file.read_text().replace("ROLE=owner", "ROLE=all"))


def _more_keys(bash: Shell, _typed: Typed) -> None:
    for kind in ("manufacturer", "device-ca"):
        bash.do(f"env $(cat owner/env) vouchgate keys new --kind {kind}")


def _where_to(bash: Shell, _typed: Typed) -> None:
    new = f"http://127.0.0.1:{bash.instead['8043']}"
    bash.do(" ".join(f"TO_{role}={new}" for role in THEIRS))


def _taken(bash: Shell, _typed: Typed) -> None:
    assert "imported" in bash.said, bash.said


STAGE = Stage(
    before={"env $(cat owner/env) vouchgate serve": _more_keys},
    after={
        "cat > owner/env": _all_roles,
        "env $(cat owner/env) vouchgate serve": _where_to,
        "vouchgate voucher import": _taken,
    },
)


def test_an_owner_moves_as_the_guide_says(
    theirs: Site, bash: Shell, capsys: Capture
) -> None:
    onboarded_there(theirs, capsys)
    left_in_its_database(theirs, bash, capsys)
    follow(bash, STORY, STAGE)
    assert bash.typed == commands(STORY)
    found = bash.do("curl -fsS $TO_FACTORY/api/v2/rvinfo")
    assert str(theirs.port) in found


def made(theirs: Site, serial: str, capsys: Capture, buyer: str) -> str:
    """A device of its factory, sold to that key."""
    home = ["--directory", str(theirs.home / serial)]
    di = ["device", "di", "--url", theirs.url, "--tcti", "none", "--serial", serial]
    guid = str(answer(capsys, *di, *home)["guid"])
    sold = {"next_owner_pem": buyer}
    call(theirs, "manufacturer", "POST", f"vouchers/{guid}/extend", sold)
    return guid


def onboarded_there(theirs: Site, capsys: Capture) -> None:
    call(theirs, "manufacturer", "PUT", "rvinfo", {"directives": [_straight(theirs)]})
    keys = answer(capsys, "keys", "show")["keys"]
    assert isinstance(keys, list)
    (owner,) = [one["public_pem"] for one in keys if one["kind"] == "owner"]
    made(theirs, "SN-1", capsys, owner)
    answer(capsys, "device", "onboard", "--directory", str(theirs.home / "SN-1"))


def _straight(theirs: Site) -> dict[str, object]:
    here = {"ip": "127.0.0.1", "device_port": theirs.port, "owner_port": theirs.port}
    return {**here, "protocol": "http", "bypass": True}


def left_in_its_database(theirs: Site, bash: Shell, capsys: Capture) -> None:
    """A voucher of its owner's in a table of the shape of its own, and its key."""
    key = "openssl ecparam -genkey -name prime256v1 -noout"
    bash.do(f"{key} | openssl pkcs8 -topk8 -nocrypt -outform der > old-owner.key")
    owner = bash.do("openssl pkey -inform der -in old-owner.key -pubout")
    guid = made(theirs, "SN-2", capsys, f"{owner}\n")
    ca = "$FROM_FACTORY/api/v1/device-ca"
    (bash.home / "ca.pem").write_text(_text(theirs, "device-ca"))
    bash.do(f"curl -fsS --data-binary @ca.pem {ca}")
    body = _text(theirs, f"vouchers/{guid}/pem?passport=false").partition("-----\n")[2]
    raw = base64.b64decode("".join(body.partition("-----END")[0].split()))
    _database(bash.home / "owner.db", guid, raw)
    call(theirs, "operator", "DELETE", f"vouchers/{guid}")  # there it is in no list


def _text(theirs: Site, path: str) -> str:
    from onboarding.cli.api import connected

    with connected(theirs.url, theirs.key("manufacturer")) as api:
        return api.request("GET", path).body.decode()


def _database(path: Path, guid: str, raw: bytes) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE vouchers (guid BLOB PRIMARY KEY, cbor BLOB)")
        row = bytes.fromhex(guid.replace("-", "")), raw
        database.execute("INSERT INTO vouchers VALUES (?, ?)", row)
        database.commit()
