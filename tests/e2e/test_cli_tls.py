"""The commands over TLS: under a private CA, and to a server that is pinned."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.cli.api import trust_of
from onboarding.cli.app import run
from onboarding.device.errors import NobodyThere
from onboarding.device.http import new_client
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder
from ownership_vouchers.rv_values import hash_text
from ownership_vouchers.types import Hash, HashType
from tests.support.cli_site import (
    HOST,
    Capture,
    Site,
    answer,
    call,
    configured,
    running_site,
)
from tests.support.server_tls import Authority

CA = "VOUCHGATE_CA"
NAME = "owner.test"  # nobody resolves it but the tests themselves


@dataclass(frozen=True)
class Guarded:
    """A site under a private CA, and its certificate's hash."""

    site: Site
    pin: Hash


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    authority = Authority("a private CA")
    key, certificate = authority.issue(HOST, NAME)
    (home / "ca.crt").write_bytes(authority.pem)
    (home / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (home / "tls.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    der = certificate.public_bytes(Encoding.DER)
    with running_site(home, home / "ca.crt") as site:
        yield Guarded(site, Hash.of(HashType.SHA256, der))


def made(guarded: Guarded, directory: Path, capsys: Capture, **rvinfo: object) -> str:
    """A device told to go to its owner straight away, sold to the site itself."""
    site = configured(guarded.site, bypass=True, **rvinfo)
    device = ["--tcti", "none", "--serial", "SN-1", "--directory", str(directory)]
    guid = str(answer(capsys, "device", "di", "--url", site.url, *device)["guid"])
    keys = answer(capsys, "keys", "show")["keys"]
    assert isinstance(keys, list)
    (owner,) = [one["public_pem"] for one in keys if one["kind"] == "owner"]
    path = f"vouchers/{guid}/extend"
    call(site, "manufacturer", "POST", path, {"next_owner_pem": owner})
    return guid


def test_a_device_is_made_and_onboarded_under_a_private_ca(
    guarded: Guarded, tmp_path: Path, capsys: Capture
) -> None:
    guid = made(guarded, tmp_path, capsys)
    found = answer(capsys, "device", "onboard", "--directory", str(tmp_path))
    assert (found["previous_guid"], found["owner"]) == (guid, guarded.site.url)


def test_without_the_ca_the_server_is_told_nothing(
    guarded: Guarded, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(guarded, tmp_path, capsys)
    monkeypatch.delenv(CA)
    told = answer(capsys, "device", "onboard", "--directory", str(tmp_path), code=1)
    assert "certificate" in str(told["error"])
    ca = ["--ca", str(guarded.site.ca)]
    answer(capsys, "device", "onboard", *ca, "--directory", str(tmp_path))


def test_a_pinned_server_is_known_by_its_pin(
    guarded: Guarded, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(guarded, tmp_path, capsys, sv_cert_hash=hash_text(guarded.pin))
    monkeypatch.delenv(CA)
    answer(capsys, "device", "onboard", "--directory", str(tmp_path))


@pytest.mark.parametrize("name", [NAME, "other.test"])
def test_a_server_at_a_resolved_address_must_show_a_certificate_of_its_name(
    guarded: Guarded, tmp_path: Path, capsys: Capture, name: str
) -> None:
    """The address that the directive names as well is one where nobody listens."""
    made(guarded, tmp_path, capsys, dns=name, ip="127.0.0.77")
    trust = trust_of(guarded.site.ca)
    with closing(new_client(trust)) as client, Machine.load(tmp_path) as machine:
        onboarder = Onboarder(
            machine, client, trust=trust, resolve=lambda _host, _port: [HOST]
        )
        if name == NAME:
            url = f"https://{NAME}:{guarded.site.port}"
            assert onboarder.run().owner_url == url
            return
        with pytest.raises(NobodyThere, match="Hostname mismatch"):
            onboarder.run()


PINS: dict[str, dict[str, object]] = {
    "another server": {"sv_cert_hash": f"sha256:{'00' * 32}"},
    "another authority": {"cl_cert_hash": f"sha256:{'00' * 32}"},
    "a server, over plain HTTP": {
        "sv_cert_hash": f"sha256:{'00' * 32}",
        "protocol": "http",
    },
}


@pytest.mark.parametrize("pin", PINS.values(), ids=PINS.keys())
def test_a_device_goes_to_nobody_but_whom_is_pinned(
    guarded: Guarded, tmp_path: Path, capsys: Capture, pin: dict[str, object]
) -> None:
    made(guarded, tmp_path, capsys, **pin)
    told = answer(capsys, "device", "onboard", "--directory", str(tmp_path), code=1)
    assert "pin" in str(told["error"]) or "certificate" in str(told["error"])


def test_vouchers_travel_under_a_private_ca(
    guarded: Guarded, tmp_path: Path, capsys: Capture
) -> None:
    site = guarded.site
    guid = made(guarded, tmp_path / "device", capsys)
    out, key = str(tmp_path / "out"), str(site.key("operator"))
    there = ["--url", site.url, "--api-key-file", key, "--ca", str(site.ca)]
    answer(capsys, "voucher", "export", guid, "--out", out, *there)
    assert answer(capsys, "voucher", "import", out, *there)["refused"] == 0


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_ca_file_without_certificates_exits_2(
    tmp_path: Path, capsys: Capture, content: bytes
) -> None:
    (tmp_path / "ca").write_bytes(content)
    ca = ["--ca", str(tmp_path / "ca"), "--directory", str(tmp_path)]
    told = answer(capsys, "device", "onboard", *ca, code=2)
    assert "no certificates" in str(told["error"])


def test_plain_http_to_a_tls_port_is_said_so(
    guarded: Guarded, tmp_path: Path, capsys: Capture
) -> None:
    url = guarded.site.url.replace("https", "http")
    here = ["--tcti", "none", "--serial", "SN-1", "--directory", str(tmp_path)]
    assert run(["device", "di", "--url", url, *here]) == 1
    assert "does not answer" in capsys.readouterr().err
