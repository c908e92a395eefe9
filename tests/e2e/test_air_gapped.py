"""A service calls nobody that it was not told to: every connection of one is looked at.

A program of the interpreter's own notes them, below all libraries but PostgreSQL's.
"""

import ipaddress
from pathlib import Path

import pytest

from onboarding.cli.app import run
from tests.support.cli_site import Capture, answer, call, running_site
from tests.support.fdo_chain import eventually

NOTED = """
import os, sys
_out = os.open(os.environ["NOTED_IN"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
def _note(event, arguments):
    if event == "socket.connect":
        os.write(_out, f"connect {arguments[1]!r}\\n".encode())
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        os.write(_out, f"look-up {arguments[0]!r}\\n".encode())
sys.addaudithook(_note)
"""


def test_a_service_calls_nobody_but_whom_it_was_told(
    tmp_path: Path, capsys: Capture
) -> None:
    """From its start over DI, TO0 and TO2 to its end, with all it does by itself."""
    home, noted = tmp_path / "site", tmp_path / "noted"
    home.mkdir()
    (tmp_path / "sitecustomize.py").write_text(NOTED)
    more = {"PYTHONPATH": str(tmp_path), "NOTED_IN": str(noted)}
    with running_site(home, more=more) as site:
        device = ["--directory", str(home / "device")]
        made = ["--url", site.url, "--serial", "SN-1", "--tcti", "none"]
        assert run(["device", "di", *made, *device]) == 0
        guid = str(answer(capsys, "device", "status", *device)["guid"])
        keys = answer(capsys, "keys", "show")["keys"]
        assert isinstance(keys, list)
        (buyer,) = (one["public_pem"] for one in keys if one["kind"] == "owner")
        sold = f"vouchers/{guid}/extend"
        call(site, "manufacturer", "POST", sold, {"next_owner_pem": buyer})
        eventually(
            lambda: (
                call(site, "operator", "GET", f"to0/{guid}")["state"] == "registered"
            )
        )
        assert run(["device", "onboard", *device]) == 0
        assert call(site, "security", "GET", "verifiers")["items"] == []
    called = noted.read_text().splitlines()
    assert any(one.startswith("connect") for one in called)  # TO0, to itself
    for one in called:
        how, _, whom = one.partition(" ")
        host = whom.strip("'") if how == "look-up" else whom.split("'")[1]
        assert host.startswith("/") or _is_here(host), one


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.mark.parametrize("whom", ["192.0.2.1", "owner.example"])
def test_what_is_elsewhere_would_be_noticed(whom: str) -> None:
    assert not _is_here(whom)
