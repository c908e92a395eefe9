"""`vouchgate fleet`, `manifest`, `site` and `api` against one real process."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli import answers
from onboarding.cli.app import run
from tests.support.api_bench import PCRS
from tests.support.cli_site import Capture, Site, answer, call, running_site
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice

COUNT = 3
WHY = ("--reason", "of the test")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def guids(site: Site) -> list[str]:
    """Devices of the owner, not onboarded yet."""
    keys = call(site, "operator", "GET", "keys")["items"]
    ours = next(one["public_pem"] for one in keys if one["kind"] == "owner")
    made = [
        str(SoftDevice.made_at(Wire.to(site.url)).credential.guid) for _ in range(COUNT)
    ]
    for guid in made:
        path = f"vouchers/{guid}/extend"
        call(site, "manufacturer", "POST", path, {"next_owner_pem": ours})
    return sorted(made)


def at(site: Site, role: str = "operator") -> list[str]:
    return ["--url", site.url, "--api-key-file", str(site.key(role))]


def told(capsys: Capture, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(list(words)) == code
    shown = capsys.readouterr()
    return shown.out + shown.err


def test_the_fleet_is_listed_whole_and_by_state_and_label(
    site: Site, guids: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PAGE", 2)  # so that there are two pages
    found: Any = answer(capsys, "fleet", "list", *at(site))
    assert [one["guid"] for one in found["items"]] == guids
    shown = told(capsys, "fleet", "list", "--limit", "1", *at(site))
    assert guids[0] in shown
    assert guids[1] not in shown
    assert told(capsys, "fleet", "list", "--state", "owned", *at(site)) == "none\n"

    label = ["fleet", "label", guids[0]]
    told(capsys, *label, "site=berlin", "rack=7", *at(site))
    shown = told(capsys, *label, "rack=8", "--remove", "site", *at(site))
    assert shown == f"labels of {guids[0]}: rack=8\n"
    found = answer(capsys, "fleet", "list", "--match", "rack=8", *at(site))
    assert [one["guid"] for one in found["items"]] == guids[:1]
    assert "name=value" in told(capsys, *label, "rack", *at(site), code=2)


def test_a_device_is_shown_frozen_and_retired(
    site: Site, guids: list[str], capsys: Capture
) -> None:
    guid = guids[1]
    shown = told(capsys, "fleet", "show", guid, *at(site))
    assert "state  registered" in shown or "state  imported" in shown
    assert "Weaker class: it is not bound to a TPM, nor onboarded yet." in shown
    assert "are stopped" in told(capsys, "fleet", "freeze", guid, *WHY, *at(site))
    assert "(frozen)" in told(capsys, "fleet", "list", *at(site))
    lifted = told(capsys, "fleet", "freeze", guid, "--lift", *WHY, *at(site))
    assert "go on" in lifted
    taken = told(capsys, "fleet", "withdraw", guid, *WHY, *at(site))
    assert "had none that was released; releases are stopped" in taken
    shown = told(capsys, "fleet", "timeline", guid, *at(site, "security"))
    assert "device.frozen" in shown
    assert told(capsys, "fleet", "appraisals", guid, *at(site)) == "none\n"
    assert told(capsys, "fleet", "decisions", guid, *at(site)) == "none\n"
    assert "is retired" in told(capsys, "fleet", "retire", guid, *WHY, *at(site))
    found: Any = answer(capsys, "fleet", "show", guid, *at(site))
    assert found["state"] == "retired"


def test_a_device_is_told_what_to_run_and_held_to_a_policy(
    site: Site, guids: list[str], tmp_path: Path, capsys: Capture
) -> None:
    files = tmp_path / "files"
    (files / "conf").mkdir(parents=True)
    (files / "web.container").write_text("[Container]\nImage=web\n")
    (files / "conf" / "bytes").write_bytes(b"\xff\x00")
    add = ["manifest", "add", "web", str(files), "--version", "1", "--kind", "quadlet"]
    made: Any = answer(capsys, *add, *at(site))
    assert made["digest"] in told(capsys, "manifest", "list", *at(site))
    assert made["digest"] in told(capsys, *add, *at(site))  # the same again

    assign = ["fleet", "assign", guids[0]]
    shown = told(capsys, *assign, "web", "--version", "1", *at(site))
    assert shown == f"{guids[0]} is to run web version 1\n"
    assert "--version" in told(capsys, *assign, "web", *at(site), code=2)
    assert "is to run nothing" in told(capsys, *assign, *at(site))

    body = {"kind": "attestation", "name": "boot", "pcrs": PCRS}
    call(site, "security", "POST", "policies", body)
    shown = told(capsys, "fleet", "hold", guids[0], "boot", *at(site, "security"))
    assert shown == f"{guids[0]} is held to boot version 1\n"


def test_what_a_site_says_can_be_printed_and_set_again(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    for what, role in (
        ("rvinfo", "manufacturer"),
        ("to2-address", "operator"),
        ("trust", "security"),
    ):
        before = answer(capsys, "site", "show", what, *at(site, role))
        file = tmp_path / what
        file.write_text(json.dumps(before))
        done = answer(capsys, "site", "set", what, str(file), *at(site, role))
        assert done == before
    file.write_text("[]")
    assert "no object" in told(
        capsys, "site", "set", "trust", str(file), *at(site), code=2
    )


def test_any_call_can_be_made_and_any_list_read_whole(
    site: Site,
    guids: list[str],
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "PAGE", 2)
    found: Any = json.loads(told(capsys, "api", "get", "devices?limit=1", *at(site)))
    assert len(found["items"]) == 1
    found = json.loads(told(capsys, "api", "GET", "devices", "--all", *at(site)))
    assert len(found["items"]) == COUNT
    assert "BEGIN OWNERSHIP VOUCHER" in told(
        capsys, "api", "get", f"/api/v1/vouchers/{guids[2]}/pem", *at(site)
    )
    body = tmp_path / "labels.json"
    body.write_text('{"labels": {"a": "b"}}')
    put = ["api", "put", f"devices/{guids[2]}/labels", *at(site)]
    assert json.loads(told(capsys, *put, "--data", str(body)))["labels"] == {"a": "b"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"labels": {}}')))
    assert json.loads(told(capsys, *put, "--data", "-"))["labels"] == {}
    assert "--all is for GET" in told(capsys, *put, "--all", code=2)
    said = json.loads(told(capsys, "api", "get", "x", *at(site), "--json", code=1))
    assert said["ok"] is False
    assert "is no list" in told(
        capsys, "api", "get", f"devices/{guids[2]}", "--all", *at(site), code=1
    )


def test_a_call_can_be_made_only_while_nothing_has_changed(
    site: Site, guids: list[str], tmp_path: Path, capsys: Capture
) -> None:
    path = f"devices/{guids[2]}/labels"
    assert run(["api", "get", path, "--etag", *at(site)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)
    body = tmp_path / "labels.json"
    body.write_text('{"labels": {"seen": "once"}}')
    put = ["api", "put", path, "--data", str(body), "--if-match", said.err.strip()]
    told(capsys, *put, *at(site))
    assert "It is not what it was" in told(capsys, *put, *at(site), code=1)


def test_a_profile_stands_for_address_and_key(
    site: Site, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "profiles.toml"
    key = site.key("operator")
    file.write_text(f'[here]\nurl = "{site.url}"\napi_key_file = "{key}"\n')
    monkeypatch.setenv("VOUCHGATE_PROFILES", str(file))
    monkeypatch.delenv("VOUCHGATE_URL", raising=False)
    found: Any = json.loads(
        told(capsys, "--profile", "here", "fleet", "list", "--json")
    )
    assert isinstance(found["items"], list)
    assert "VOUCHGATE_URL" not in os.environ
    assert "no profile 'there'" in told(
        capsys, "--profile", "there", "fleet", "list", code=2
    )
    monkeypatch.setenv("VOUCHGATE_PROFILE", "here")
    assert "rvinfo" not in told(capsys, "site", "show", "to2-address")
