"""Commands that say what a service has, and how to get rid of it again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli import voucher_import
from onboarding.cli.app import run
from ownership_vouchers.pem import dump_pem
from tests.support.cli_site import Capture, Site, answer, call, running_site
from tests.support.supply_chain import SupplyChain


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as found:
        out = str(found.key("admin"))
        run(["apikey", "new", "--role", "admin", "--name", "root", "--out", out])
        yield found


def at(site: Site, role: str) -> list[str]:
    return ["--url", site.url, "--api-key-file", str(site.key(role))]


@pytest.fixture(scope="module")
def guid(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A device without a TPM that was made here and sold to the site itself."""
    home = tmp_path_factory.mktemp("device")
    device = ["--tcti", "none", "--serial", "SN-1", "--directory", str(home)]
    assert run(["device", "di", "--url", site.url, *device]) == 0
    (made,) = call(site, "manufacturer", "GET", "vouchers")["items"]
    keys = call(site, "operator", "GET", "keys")["items"]
    (pem,) = [one["public_pem"] for one in keys if one["kind"] == "owner"]
    path = f"vouchers/{made['guid']}/extend"
    sold = call(site, "manufacturer", "POST", path, {"next_owner_pem": pem})
    (home / "sold.pem").write_text(sold["pem"])
    there = [str(home / "sold.pem"), *at(site, "operator")]
    assert run(["voucher", "import", *there]) == 0
    return str(made["guid"])


LOOKS: dict[str, tuple[list[str], str]] = {
    "fleet overview": (["fleet", "overview"], "security"),
    "fleet unattested": (["fleet", "unattested"], "security"),
    "attestation verifiers": (["attestation", "verifiers"], "operator"),
    "policy list": (["policy", "list"], "operator"),
    "service-info plans": (["service-info", "plans"], "operator"),
    "service-info files": (["service-info", "files"], "operator"),
    "service-info rules": (["service-info", "rules"], "operator"),
    "voucher list": (["voucher", "list"], "operator"),
    "audit events": (["audit", "events"], "security"),
    "device-ca show": (["device-ca", "show"], "operator"),
    "apikey list": (["apikey", "list"], "admin"),
}
OF_DEVICE: dict[str, list[str]] = {
    "fleet assignment": ["fleet", "assignment"],
    "service-info show": ["service-info", "show"],
    "voucher kept": ["voucher", "kept"],
    "voucher lineage": ["voucher", "lineage"],
    "voucher credential": ["voucher", "credential"],
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_is_for_people_and_for_programs(
    site: Site, guid: str, capsys: Capture, name: str
) -> None:
    words, role = LOOKS[name]
    capsys.readouterr()
    assert run([*words, *at(site, role)]) == 0
    assert capsys.readouterr().out
    assert isinstance(answer(capsys, *words, *at(site, role)), dict)


@pytest.mark.parametrize("name", OF_DEVICE)
def test_a_look_at_one_device_is_for_people_and_for_programs(
    site: Site, guid: str, capsys: Capture, name: str
) -> None:
    asked = [*OF_DEVICE[name], guid, *at(site, "operator")]
    capsys.readouterr()
    assert run(asked) == 0
    assert capsys.readouterr().out
    assert guid in json.dumps(answer(capsys, *asked))
    assert run([*OF_DEVICE[name], "no-guid", *at(site, "operator")]) != 0


def test_api_keys_are_made_and_ended_over_the_api(
    site: Site, capsys: Capture, tmp_path: Path
) -> None:
    new = ["apikey", "new", "--role", "operator", "--name", "b", "--days", "2"]
    limits = ["--label", "site=berlin", "--scope", "devices:read"]
    made: Any = answer(capsys, *new, *limits, *at(site, "admin"))
    assert (made["labels"], made["scopes"]) == ({"site": "berlin"}, ["devices:read"])
    assert made["key"].startswith("vg_")
    hidden: Any = answer(
        capsys, *new, "--out", str(tmp_path / "key"), *at(site, "admin")
    )
    assert "key" not in hidden
    ended = answer(capsys, "apikey", "revoke", made["id"], *at(site, "admin"))
    assert ended == {"revoked": made["id"]}
    remote: Any = answer(capsys, "apikey", "list", *at(site, "admin"))
    local: Any = answer(capsys, "apikey", "list")
    assert {one["id"]: one["state"] for one in remote["apikeys"]} == {
        one["id"]: one["state"] for one in local["apikeys"]
    }
    states = {one["id"]: one["state"] for one in remote["apikeys"]}
    assert (states[made["id"]], states[hidden["id"]]) == ("revoked", "live")


def test_a_credential_s_next_is_set_and_taken_back(
    site: Site, guid: str, capsys: Capture, tmp_path: Path
) -> None:
    asked = ["voucher", "credential", guid, *at(site, "operator")]
    plan = answer(capsys, *asked, "--make", "reuse")
    assert (plan["mode"], plan["set_for"]) == ("reuse", "this device")
    directives = tmp_path / "directives.json"
    one = {"dns": "rv.example", "device_port": 443, "owner_port": 443}
    directives.write_text(json.dumps([{**one, "protocol": "https"}]))
    told = ["--make", "replace", "--directives", str(directives)]
    assert "rv.example" in json.dumps(answer(capsys, *asked, *told))
    back = answer(capsys, *asked, "--make", "as-all")
    assert back["set_for"] == "all"
    answer(capsys, *asked, "--directives", str(directives), code=2)


def test_a_policy_is_set_from_a_file_and_shown(
    site: Site, capsys: Capture, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    body = {
        "kind": "attestation",
        "name": "p",
        "version": 1,
        "pcrs": {"7": ["ab" * 32]},
    }
    file.write_text(json.dumps(body))
    made = answer(capsys, "policy", "set", str(file), *at(site, "security"))
    assert (made["name"], made["version"]) == ("p", 1)
    shown = answer(capsys, "policy", "show", "p", *at(site, "operator"))
    assert shown["digest"] == made["digest"]


def test_a_file_of_plans_is_listed_and_forgotten(
    site: Site, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "motd").write_text("hello")
    stored = answer(
        capsys, "service-info", "file", str(tmp_path / "motd"), *at(site, "operator")
    )
    digest = str(stored["sha256"])
    answer(capsys, "service-info", "forget", digest, *at(site, "operator"))
    left = answer(capsys, "service-info", "files", *at(site, "operator"))
    assert left == {"items": []}
    answer(capsys, "service-info", "forget", "x", *at(site, "operator"), code=2)


def test_events_are_followed_from_a_number_on(site: Site, capsys: Capture) -> None:
    newest: Any = answer(capsys, "audit", "events", *at(site, "security"))
    seqs = sorted(one["seq"] for one in newest["items"])[-3:]
    capsys.readouterr()
    told = ["--after", str(seqs[0] - 1), "--count", "3", "--json"]
    assert run(["audit", "follow", *told, *at(site, "security")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == seqs
    assert run(["audit", "follow", "--count", "1", *at(site, "operator")]) == 1
    assert "role operator" in capsys.readouterr().err


def test_the_newest_checkpoint_is_fetched_without_another(
    site: Site, capsys: Capture, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    out = ["audit", "checkpoint", *at(site, "security"), "--out"]
    one = answer(capsys, *out, str(first))
    again = answer(capsys, *out, str(second), "--newest")
    assert first.read_bytes() == second.read_bytes()
    assert one["seq"] == again["seq"]


def test_a_device_ca_is_certified_from_elsewhere(
    site: Site, capsys: Capture, tmp_path: Path
) -> None:
    out = tmp_path / "request"
    asked = ["device-ca", "request", "device-ca", "--out", str(out)]
    answer(capsys, *asked, *at(site, "manufacturer"))
    assert b"CERTIFICATE REQUEST" in out.read_bytes()
    shown = answer(capsys, "device-ca", "show", *at(site, "operator"))
    chain = tmp_path / "chain"
    chain.write_text(str(shown["pem"]))
    done = answer(
        capsys, "device-ca", "chain", "device-ca", str(chain), *at(site, "manufacturer")
    )
    assert done["name"] == "device-ca"


def test_a_voucher_is_forgotten(site: Site, capsys: Capture, tmp_path: Path) -> None:
    device = ["--tcti", "none", "--serial", "SN-2", "--directory", str(tmp_path)]
    made = answer(capsys, "device", "di", "--url", site.url, *device)
    named = [str(made["guid"]), *at(site, "manufacturer")]
    assert answer(capsys, "voucher", "delete", *named) == {"deleted": made["guid"]}
    told = answer(capsys, "voucher", "kept", *named, code=1)
    assert "no voucher" in str(told["error"])


REFUSED: dict[str, tuple[list[str], str]] = {
    "a passport there is none of": (["voucher", "passport", "--out", "p"], "operator"),
    "no window": (["cohort", "end-update"], "security"),
    "no verifier": (["fleet", "adopt"], "security"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_the_service_refuses_is_told(
    site: Site, guid: str, capsys: Capture, how: str
) -> None:
    words, role = REFUSED[how]
    told = answer(capsys, *words, guid, *at(site, role), code=1)
    assert told["ok"] is False


def test_a_webhook_is_shown_without_its_secret(site: Site, capsys: Capture) -> None:
    new = ["webhook", "new", "https://hooks.example/hook", *at(site, "security")]
    made = answer(capsys, *new)
    shown = answer(capsys, "webhook", "show", str(made["id"]), *at(site, "security"))
    assert shown["id"] == made["id"]
    assert str(made["secret"]) not in json.dumps(shown)


def test_a_long_file_goes_in_parts_and_shows_how_far_it_is(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    """Standard error is a terminal for people, as it is for them."""
    chain, number = SupplyChain(), voucher_import.TOGETHER + 5
    sold = (chain.make_device().sell_to("buyer").voucher for _ in range(number))
    file = tmp_path / "vouchers.pem"
    file.write_text("".join(map(dump_pem, sold)))
    there = [str(file), "--url", site.url, "--api-key-file", str(site.key("operator"))]
    report = answer(capsys, "voucher", "import", *there, code=1)
    results = report["results"]
    assert isinstance(results, list)
    assert [one["index"] for one in results] == list(range(number))
    assert (report["refused"], report["imported"]) == (number, 0)
    terminal, theirs = os.openpty()
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "onboarding.cli", "voucher", "import", *there],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert done.returncode == 1
    assert f"{number}/{number}" in shown
    head, *rows, counts = done.stdout.splitlines()
    assert (head.split()[0], len(rows)) == (b"GUID", number)
    assert f" {number} refused".encode() in counts
