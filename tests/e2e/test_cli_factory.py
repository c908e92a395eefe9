"""The factory's commands against one real process that is all services."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.cli.app import run
from onboarding.device.machine import IN_FILES
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from tests.support.authorities import MIDDLE, pem
from tests.support.cli_site import Capture, Site, answer, running_site

Found = dict[str, Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def asking(site: Site) -> list[str]:
    return ["--url", site.url, "--api-key-file", str(site.key("manufacturer"))]


def ask(capsys: Capture, site: Site, *words: str, code: int = 0) -> Found:
    return answer(capsys, *words, *asking(site), code=code)


def told(capsys: Capture, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(list(words)) == code
    shown = capsys.readouterr()
    return shown.out + shown.err


def settings(directory: Path, **line: object) -> str:
    file = directory / "line.json"
    file.write_text(json.dumps(line))
    return str(file)


def make(
    capsys: Capture, site: Site, where: Path, serial: str, *more: str, code: int = 0
) -> Found:
    words = ["device", "di", "--directory", str(where), "--serial", serial]
    words += ["--tcti", "none", "--url", site.url, *more]
    return answer(capsys, *words, code=code)


def test_a_device_made_without_a_tpm_is_said_to_be_of_the_weaker_class(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    assert "the weaker class" in IN_FILES
    assert make(capsys, site, tmp_path / "1", "SN-W1")["keys"] == IN_FILES
    words = ["device", "di", "--directory", str(tmp_path / "2"), "--serial", "SN-W2"]
    shown = told(capsys, *words, "--tcti", "none", "--url", site.url)
    assert f"keys in {IN_FILES}" in " ".join(shown.split())


def test_a_device_cut_off_just_when_it_has_its_credential_is_one(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    replace = os.replace

    def last(source: Path, target: Path) -> None:
        replace(source, target)
        if Path(target).name == "credential.cbor":
            raise OSError("power lost")

    words = ["device", "di", "--directory", str(tmp_path), "--serial", "SN-CUT"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", last)
        assert run([*words, "--tcti", "none", "--url", site.url]) == 1
    found = answer(capsys, "device", "status", "--directory", str(tmp_path))
    assert found["serial"] == "SN-CUT"
    made = ask(capsys, site, "made", "list")["items"]
    assert found["guid"] in [one["guid"] for one in made]


def test_a_line_is_set_up_staffed_and_makes_devices(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    shown = ask(capsys, site, "line", "set", "a", settings(tmp_path))
    assert (shown["name"], shown["require_key"]) == ("a", True)
    key = tmp_path / "bench.key"
    hired = ask(capsys, site, "line", "hire", "a", "bench 3", "--out", str(key))
    assert "key" not in hired
    assert key.stat().st_mode & 0o777 == 0o600
    line = ["--line", "a", "--line-key-file", str(key)]
    device = make(capsys, site, tmp_path / "d", "CLI-1", *line)
    refused = make(capsys, site, tmp_path / "e", "CLI-2", "--line", "a", code=1)
    assert "credential is missing or wrong" in refused["error"]
    (made,) = ask(capsys, site, "made", "list", "--line", "a")["items"]
    assert (made["guid"], made["station"]) == (device["guid"], "bench 3")
    (listed,) = ask(capsys, site, "line", "show", "a")["stations"]
    ask(capsys, site, "line", "dismiss", "a", listed["id"])
    make(capsys, site, tmp_path / "f", "CLI-3", *line, code=1)
    ask(capsys, site, "line", "remove", "a")
    assert ask(capsys, site, "line", "list")["items"] == []


def test_a_line_that_makes_no_sense_is_refused_and_says_where(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    bad = settings(tmp_path, models=[{"model": "a[b]", "directives": []}])
    shown = told(capsys, "line", "set", "b", bad, *asking(site), code=1)
    assert "body.models.0.model" in shown
    none = str(tmp_path / "none.json")
    assert run(["line", "set", "b", none, *asking(site)]) == 2


def test_two_devices_of_a_serial_number_are_seen_and_settled(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    first = make(capsys, site, tmp_path / "1", "CLI-TWICE")
    second = make(capsys, site, tmp_path / "2", "CLI-TWICE")
    shown = told(capsys, "made", "list", "--alarms", *asking(site))
    assert "another-key" in shown
    assert second["guid"] in shown
    shown = told(capsys, "device", "why", "CLI-TWICE", *asking(site), code=1)
    assert first["guid"] in shown
    assert second["guid"] in shown
    settled = ask(capsys, site, "made", "settle", "CLI-TWICE")
    assert settled["settled"] == 2
    assert ask(capsys, site, "made", "list", "--alarms")["items"] == []
    assert "settled" in told(capsys, "made", "list", *asking(site))


def public_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_keys_of_devices_that_send_none_are_laid_down(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    file, many = tmp_path / "key.pem", tmp_path / "keys.json"
    file.write_text(public_pem())
    names = ["dev/1", "dev 2"]
    listed = [{"name": one, "pem": public_pem()} for one in names]
    many.write_text(json.dumps(listed))
    ask(capsys, site, "device-key", "add", "00:11", str(file))
    taken = ask(capsys, site, "device-key", "add", "00:12", str(file), code=1)
    assert taken["error"] == "the key of 00:12 is known as that of 00:11"
    assert ask(capsys, site, "device-key", "import", str(many))["stored"] == 2
    shown = told(capsys, "device-key", "list", *asking(site))
    assert all(name in shown for name in ("00:11", *names))
    for name in ("00:11", *names):
        ask(capsys, site, "device-key", "remove", name)
    assert ask(capsys, site, "device-key", "list")["items"] == []
    many.write_text(json.dumps([*listed, {"name": "x", "pem": "no key"}]))
    refused = ask(capsys, site, "device-key", "import", str(many), code=1)
    assert "Neither a public key nor a certificate" in refused["error"]
    assert ask(capsys, site, "device-key", "list")["items"] == []


def test_a_device_ca_gets_a_chain(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passphrase").write_text("of a test\n")
    where = ["--key-directory", str(tmp_path / "keys")]
    where += ["--key-passphrase-file", str(tmp_path / "passphrase")]
    store = KeyStore(tmp_path / "keys", b"of a test")
    for kind in (KeyKind.DEVICE_CA, KeyKind.OWNER):
        store.create(kind.value, kind, KeyAlgorithm.P256)
    out = tmp_path / "ca.csr"
    told(capsys, "keys", "request", "device-ca", "--out", str(out), *where)
    assert out.read_text().startswith("-----BEGIN CERTIFICATE REQUEST")
    mine = MIDDLE.issue(store.private_key("device-ca").public_key(), "ca", length=0)
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(pem(mine, MIDDLE.certificate))
    bad.write_bytes(pem(MIDDLE.certificate))
    shown = told(capsys, "keys", "chain", "device-ca", str(bad), *where, code=1)
    assert "not for this key" in shown
    assert "each one's issuer" in shown
    shown = told(capsys, "keys", "chain", "device-ca", str(good), *where)
    assert "2 certificates" in shown
    told(capsys, "keys", "chain", "owner", str(good), *where, code=1)


def test_a_line_s_devices_are_handed_over_in_one_file(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    owner = tmp_path / "owner.pem"
    told(capsys, "keys", "show", "owner")
    public = answer(capsys, "keys", "show", "owner")["keys"][0]["public_pem"]  # type: ignore[index]
    owner.write_text(public)
    ask(capsys, site, "line", "set", "c", settings(tmp_path, require_key=False))
    devices = {
        make(capsys, site, tmp_path / name, f"LOT-{name}", "--line", "c")["guid"]
        for name in ("1", "2", "3")
    }
    make(capsys, site, tmp_path / "twin", "LOT-1", "--line", "c")
    out = tmp_path / "lot.pem"
    words = ["voucher", "hand-over", "--to", str(owner), "--out", str(out)]
    done = ask(capsys, site, *words, "--line", "c", code=1)
    assert done["extended"] == 2
    assert {one["code"] for one in done["refused"]} == {"serial-alarm"}
    ask(capsys, site, "made", "settle", "LOT-1")
    done = ask(capsys, site, *words, "--line", "c")
    assert (done["extended"], done["refused"]) == (4, [])
    again = out.read_text()
    told(capsys, *words, "--line", "c", *asking(site))
    assert out.read_text() == again
    checked: Found = answer(capsys, "voucher", "verify", str(out))
    assert devices < {one["guid"] for one in checked["vouchers"]}
    assert run([*words, *asking(site)]) == 2
    assert run([*words, "--all", "--line", "c", *asking(site)]) == 2
    owner.write_text("")
    refused = answer(capsys, *words, "--all", *asking(site), code=2)
    assert refused["error"] == f"{owner}: neither a public key nor a certificate in PEM"
