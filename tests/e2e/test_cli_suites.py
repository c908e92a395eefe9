"""``vouchgate device di`` and ``onboard`` with every choice there is. TEST KEYS."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.cli.app import run
from ownership_vouchers.keys import KeyEncoding, KeyType
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.voucher import Voucher
from tests.support.cli_site import Capture, Site, answer, call, running_site
from tests.support.fdo_chain import PATIENCE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home, more = tmp_path_factory.mktemp("suites"), ("RSA-2048", "RSA-3072-PSS")
    with running_site(home, algorithms=more) as found:
        yield found


def owner_key(capsys: Capture, algorithm: str, part: str) -> str:
    keys = answer(capsys, "keys", "show")["keys"]
    assert isinstance(keys, list)
    (found,) = [
        one[part]
        for one in keys
        if (one["kind"], one["algorithm"]) == ("owner", algorithm)
    ]
    return str(found)


def bought(site: Site, capsys: Capture, device: Path, algorithm: str) -> Voucher:
    """Sell the device to its owner, and have it announced."""
    told = answer(capsys, "device", "status", "--directory", str(device))
    guid = str(told["guid"])
    buyer = {"next_owner_pem": owner_key(capsys, algorithm, "certificate_pem")}
    sold = call(site, "operator", "POST", f"vouchers/{guid}/extend", buyer)
    call(site, "operator", "POST", f"to0/{guid}")
    return load_vouchers(str(sold["pem"]).encode())[0]


def onboarded(capsys: Capture, device: Path, *options: str) -> dict[str, object]:
    command = ["device", "onboard", "--directory", str(device), "--json", *options]
    deadline = time.monotonic() + PATIENCE
    capsys.readouterr()
    while run(command) != 0:
        assert time.monotonic() < deadline, capsys.readouterr()
        time.sleep(0.2)
        capsys.readouterr()
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


CHOICES = {
    "an RSA device, as its owner's key has it": (
        ["--key", "RSA-2048"],
        [],
        (KeyType.RSA2048RESTR, KeyEncoding.X509),
    ),
    "an RSA device that encrypts to its owner": (
        ["--key", "RSA-2048", "--encoding", "x5chain"],
        ["--kex", "ASYMKEX2048", "--cipher", "A256GCM"],
        (KeyType.RSA2048RESTR, KeyEncoding.X5CHAIN),
    ),
    "PSS": (
        ["--key", "RSA-3072-PSS"],
        ["--kex", "DHKEXid15", "--cipher", "a192gcm"],
        (KeyType.RSAPSS, KeyEncoding.X509),
    ),
    "an EC device of an RSA owner": (
        ["--key", "P-384", "--owner-key", "RSA-2048"],
        [],
        (KeyType.RSA2048RESTR, KeyEncoding.X509),
    ),
    "COSE keys and CCM": (
        ["--key", "P-256", "--encoding", "cosekey"],
        ["--cipher", "AES-CCM-64-128-256"],
        (KeyType.SECP256R1, KeyEncoding.COSEKEY),
    ),
}
OWNERS = {
    KeyType.RSA2048RESTR: "RSA-2048",
    KeyType.RSAPSS: "RSA-3072-PSS",
    KeyType.SECP256R1: "P-256",
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_device_is_made_and_onboarded_as_it_was_told(
    site: Site, tmp_path: Path, capsys: Capture, name: str
) -> None:
    made, chosen, (key_type, encoding) = CHOICES[name]
    fixed = ["--url", site.url, "--tcti", "none", "--directory", str(tmp_path)]
    assert run(["device", "di", "--serial", "SN-1", *fixed, *made]) == 0
    voucher = bought(site, capsys, tmp_path, OWNERS[key_type])
    for key in (voucher.header.manufacturer_key, voucher.owner_key):
        assert (key.type, key.encoding) == (key_type, encoding)
    taken = onboarded(capsys, tmp_path, *chosen)
    assert taken["owner"] == site.url
    again = call(site, "operator", "GET", f"devices/{taken['guid']}")
    assert again["state"] == "owned"


def test_a_device_refuses_choices_that_there_are_not(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    here = ["--directory", str(tmp_path)]
    made = ["device", "di", "--url", site.url, "--serial", "SN-2", "--tcti", "none"]
    assert run([*made, "--key", "RSA-4096", *here]) == 2
    assert run([*made, "--encoding", "der", *here]) == 2
    capsys.readouterr()
    assert run([*made, "--owner-key", "RSA-3072", *here]) == 1  # the maker has none
    assert "error 101" in capsys.readouterr().err
    assert run([*made, *here]) == 0
    assert run(["device", "onboard", "--kex", "ECDH512", *here]) == 2
    capsys.readouterr()
    assert run(["device", "onboard", "--cipher", "A128CTR", *here]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "there is no cipher 'A128CTR'" in told
    assert "Say A128GCM, A192GCM, A256GCM, AES-CCM-64-128-128," in told
