"""The commands against one real process that is all three services.

The device has no TPM: it is onboarded all the same, and nothing is released to it.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.cli.app import run
from onboarding.cli.device_telling import binding_told
from onboarding.device.http import new_client
from onboarding.device.machine import IN_FILES
from tests.support.cli_site import HOST, Capture, Site, answer, call, running_site
from tests.support.fdo_chain import PATIENCE
from tests.support.supply_chain import SupplyChain


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def device(site: Site) -> Path:
    """A device through DI, its voucher extended to the site's own owner key."""
    directory = site.home / "device"
    made = ["--serial", "SN-1", "--tcti", "none", "--directory", str(directory)]
    assert run(["device", "di", "--url", site.url, *made]) == 0
    return directory


def guid_of(device: Path, capsys: Capture) -> str:
    found = answer(capsys, "device", "status", "--directory", str(device))
    return str(found["guid"])


def test_a_voucher_goes_from_export_over_extend_to_import(
    site: Site, device: Path, capsys: Capture
) -> None:
    guid = guid_of(device, capsys)
    out = site.home / "voucher.pem"
    where = ["--url", site.url]
    maker = ["--api-key-file", str(site.key("manufacturer"))]
    owner_pem = str(answer(capsys, "keys", "show")["keys"][2]["public_pem"])  # type: ignore[index]
    call(
        site,
        "manufacturer",
        "POST",
        f"vouchers/{guid}/extend",
        {"next_owner_pem": owner_pem},
    )
    answer(capsys, "voucher", "export", guid, *where, "--out", str(out), *maker)
    assert answer(capsys, "voucher", "verify", str(out))["ok"] is True
    operator = ["--api-key-file", str(site.key("operator"))]
    report = answer(capsys, "voucher", "import", str(out), *where, *operator)
    assert (report["refused"], report["imported"]) == (0, 0)  # it is here already


def test_a_device_is_sold_on_with_one_command(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    made = ["--serial", "SN-9", "--tcti", "none", "--directory", str(tmp_path / "d")]
    assert run(["device", "di", "--url", site.url, *made]) == 0
    guid = guid_of(tmp_path / "d", capsys)
    keys = answer(capsys, "keys", "show")["keys"]
    ours = {"next_owner_pem": str(keys[2]["public_pem"])}  # type: ignore[index]
    call(site, "operator", "POST", f"vouchers/{guid}/extend", ours)
    buyer = SupplyChain().make_device().sell_to("buyer").owner.public_key
    to, out = tmp_path / "buyer.pem", tmp_path / "sold.pem"
    form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    to.write_bytes(buyer.key.public_bytes(*form))
    where = ["--url", site.url, "--api-key-file", str(site.key("operator"))]
    sold = answer(
        capsys, "voucher", "resell", guid, "--to", str(to), "--out", str(out), *where
    )
    assert sold["owner"] == buyer.fingerprint()
    assert answer(capsys, "voucher", "verify", str(out))["ok"] is True
    shown = call(site, "operator", "GET", f"devices/{guid}")
    assert isinstance(shown, dict)
    assert shown["state"] == "retired"


def test_an_import_that_is_refused_says_of_each_voucher_why(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    chain = SupplyChain().make_device().sell_to("somebody else")
    file = tmp_path / "voucher"
    file.write_bytes(chain.voucher.raw)
    operator = ["--url", site.url, "--api-key-file", str(site.key("operator"))]
    report = answer(capsys, "voucher", "import", str(file), *operator, code=1)
    assert isinstance(report["results"], list)
    (item,) = report["results"]
    guid = str(chain.voucher.guid)
    assert (item["guid"], item["code"], item["passport"]) == (guid, "owner_key", "none")
    assert run(["voucher", "import", str(file), *operator]) == 1
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["GUID", "result", "passport", "check", "why"]
    assert row.split()[:4] == [guid, "refused", "none", "owner_key"]


def test_the_device_is_onboarded_and_its_status_says_by_whom(
    site: Site, device: Path, capsys: Capture
) -> None:
    guid = guid_of(device, capsys)
    here = ["--directory", str(device)]
    call(site, "operator", "POST", f"to0/{guid}")
    deadline = time.monotonic() + PATIENCE
    while run(["device", "onboard", *here]) != 0:
        assert time.monotonic() < deadline, capsys.readouterr()
        time.sleep(0.2)
    found = answer(capsys, "device", "status", *here)
    assert found["owner"] == site.url
    assert found["keys"] == IN_FILES
    told = found["onboarding"]
    assert isinstance(told, dict)
    assert (told["state"], told["trying"], told["failed"]) == ("taken", site.url, [])
    assert (found["guid"] != guid, found["pending_guid"]) == (True, None)
    require_marked(site, str(found["guid"]), capsys)


def require_marked(site: Site, guid: str, capsys: Capture) -> None:
    """A device without a TPM is of the weaker class wherever its owner sees it."""
    where = ["--url", site.url, "--api-key-file", str(site.key("operator"))]
    assert answer(capsys, "fleet", "show", guid, *where)["weaker"] is True
    for command in (["list", "--match", guid], ["unattested"]):
        assert run(["fleet", *command, *where]) == 0
        shown = capsys.readouterr().out.splitlines()
        (line,) = (one for one in shown if guid in one)
        assert "owned, weaker class" in line


def test_a_device_tells_what_it_tried_and_status_tells_it_later(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    here = ["--directory", str(tmp_path)]
    made = ["--serial", "SN-8", "--tcti", "none", "--refuse-reuse", *here]
    assert run(["device", "di", "--url", site.url, *made]) == 0
    found = answer(capsys, "device", "status", *here)
    assert (found["onboarding"], found["pending_guid"]) == (None, None)
    assert run(["device", "onboard", *here]) == 1  # nobody announced it
    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["trying", "failed", "given"]
    told = answer(capsys, "device", "status", *here)["onboarding"]
    assert isinstance(told, dict)
    assert told["state"] == "given up"
    (failed,) = told["failed"]
    assert failed["where"] == f"rendezvous {site.url}"
    assert "error 6" in failed["why"]
    assert run(["device", "status", *here]) == 0
    assert f"where  rendezvous {site.url}" in capsys.readouterr().out


VERDICTS = {
    "not asked for": None,
    "tpm-bound": (True, "tpm-bound", ""),
    "refused: ek-untrusted": (False, "", "ek-untrusted"),
}


@pytest.mark.parametrize("said", VERDICTS)
def test_the_owners_word_on_the_tpm_is_told_with_its_code(said: str) -> None:
    assert binding_told(VERDICTS[said]) == said


def test_a_device_without_a_tpm_cannot_attest_and_is_told_why(
    device: Path, capsys: Capture
) -> None:
    told = answer(capsys, "device", "attest", "--directory", str(device), code=1)
    assert "no TPM" in str(told["error"])


def test_the_loop_goes_on_over_refusals_and_prints_each(
    device: Path, capsys: Capture
) -> None:
    capsys.readouterr()
    arguments = ["device", "run", "--directory", str(device), "--rounds", "1"]
    assert run([*arguments, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["error", "refused"]
    assert lines[1]["remedy"]
    assert run(arguments) == 0
    assert lines[1]["remedy"] in capsys.readouterr().out


def test_a_wrong_api_key_is_refused_in_a_sentence(
    site: Site, device: Path, tmp_path: Path, capsys: Capture
) -> None:
    wrong = tmp_path / "key"
    wrong.write_text("vg_0000000000000000_AAAA\n")
    out = ["--out", str(tmp_path / "out"), "--api-key-file", str(wrong)]
    guid = guid_of(device, capsys)
    told = answer(capsys, "voucher", "export", guid, "--url", site.url, *out, code=1)
    assert told["ok"] is False
    assert not (tmp_path / "out").exists()


def test_without_an_api_key_the_command_says_how_to_give_one(
    site: Site, capsys: Capture
) -> None:
    told = answer(
        capsys, "voucher", "import", str(site.home / "log"), "--url", site.url, code=2
    )
    assert "VOUCHGATE_API_KEY" in str(told["remedy"])


def test_doctor_finds_the_running_site_fit(site: Site, capsys: Capture) -> None:
    found = answer(capsys, "doctor")
    checks = found["checks"]
    assert isinstance(checks, list)
    health = {one["name"]: one["health"] for one in checks}
    assert health["database"] == health["vouchers"] == "ok"


def test_a_service_that_is_not_there_is_said_so(
    tmp_path: Path, capsys: Capture
) -> None:
    told = answer(
        capsys, "device", "di", "--url", f"http://{HOST}:1", "--serial", "SN-2",
        "--tcti", "none", "--directory", str(tmp_path / "device"), code=1,
    )  # fmt: skip
    assert "does not answer" in str(told["error"])


def test_a_device_that_is_there_is_not_made_anew_by_accident(
    site: Site, device: Path, capsys: Capture
) -> None:
    before = guid_of(device, capsys)
    again = ["device", "di", "--url", site.url, "--serial", "SN-1", "--tcti", "none"]
    told = answer(capsys, *again, "--directory", str(device), code=1)
    assert "--force" in str(told["remedy"])
    assert guid_of(device, capsys) == before


def test_a_client_follows_no_redirect_and_no_proxy() -> None:
    with closing(new_client()) as client:
        assert not client.follow_redirects
        assert not client.trust_env


def test_a_plan_is_stored_given_and_its_receipts_are_read_by_command(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    directory = tmp_path / "device"
    made = ["--serial", "SN-7", "--tcti", "none", "--directory", str(directory)]
    assert run(["device", "di", "--url", site.url, *made]) == 0
    guid = guid_of(directory, capsys)
    keys = answer(capsys, "keys", "show")["keys"]
    ours = {"next_owner_pem": str(keys[2]["public_pem"])}  # type: ignore[index]
    call(site, "operator", "POST", f"vouchers/{guid}/extend", ours)
    permits = {"uploads": [str(directory / "downloads")]}
    (directory / "modules.json").write_text(json.dumps(permits))
    (tmp_path / "agent").write_bytes(b"agent")
    steps = [
        {"module": "fdo.download", "parameters": {"name": "bin/agent", "file": "app"}},
        {
            "module": "fdo.upload",
            "parameters": {"name": str(directory / "downloads" / "bin" / "agent")},
        },
        {
            "module": "fdo.command",
            "required": False,
            "parameters": {"command": "/bin/true"},
        },
    ]
    (tmp_path / "plan.json").write_text(json.dumps({"name": "cli", "steps": steps}))
    where = ["--url", site.url, "--api-key-file", str(site.key("operator"))]
    info = "service-info"
    answer(capsys, info, "file", str(tmp_path / "agent"), "--name", "app", *where)
    stored = answer(capsys, info, "plan", str(tmp_path / "plan.json"), *where)
    assert stored["version"] == 1
    rules = answer(capsys, info, "rule", "cli", "--label", "site=none", *where)
    assert rules["items"] == [
        {"labels": {"site": "none"}, "plan": "cli", "version": None}
    ]
    assert answer(capsys, info, "give", guid, "cli", *where)["plan"] == "cli"
    taken = answer(
        capsys, "device", "onboard", "--rounds", "100", "--max-delay", "0.2",
        "--directory", str(directory),
    )  # fmt: skip
    assert taken["modules"] == [
        "fdo.download: bin/agent, 5 bytes",
        f"fdo.upload: {directory}/downloads/bin/agent, 5 bytes",
    ]
    found: Any = answer(capsys, info, "deliveries", guid, *where)["items"]
    (last,) = found
    assert [one["ok"] for one in last["modules"]] == [False, True, True, False]
    out = tmp_path / "given"
    fetch = [info, "upload", guid, last["run"], "2", "--out", str(out), *where]
    assert answer(capsys, *fetch) == {"file": str(out), "bytes": 5}
    assert out.read_bytes() == b"agent"
    assert run([info, "deliveries", guid, *where]) == 0
    printed = capsys.readouterr().out
    assert "bin/agent" in printed
    assert "not run" in printed
    assert run([info, "rule", "none", "--label", "site=none", *where]) == 0
    assert run([info, "rule", "none", "--label", "nonsense", *where]) == 2


def test_a_required_program_that_is_not_permitted_is_named_on_both_sides(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    directory = tmp_path / "device"
    made = ["--serial", "SN-8", "--tcti", "none", "--directory", str(directory)]
    assert run(["device", "di", "--url", site.url, *made]) == 0
    guid = guid_of(directory, capsys)
    keys = answer(capsys, "keys", "show")["keys"]
    ours = {"next_owner_pem": str(keys[2]["public_pem"])}  # type: ignore[index]
    call(site, "operator", "POST", f"vouchers/{guid}/extend", ours)
    program = {"command": "/bin/echo", "args": ["ready"]}
    steps = [{"module": "fdo.command", "parameters": program}]
    body = {"name": "strict", "steps": steps}
    call(site, "operator", "POST", "service-info/plans", body)
    where = f"devices/{guid}/service-info"
    call(site, "operator", "PUT", where, {"plan": "strict"})
    permits = directory / "modules.json"
    permits.write_text(json.dumps({"commands": [["/bin/echo"]]}))
    onboard = ["device", "onboard", "--max-delay", "0.2", "--directory", str(directory)]
    answer(capsys, *onboard, "--rounds", "1", code=1)  # or not announced yet
    for _ in range(200):
        refused = str(answer(capsys, *onboard, "--rounds", "1", code=1)["error"])
        if "fdo.command" in refused:
            break
        time.sleep(0.1)
    assert "required ServiceInfo module fdo.command failed" in refused
    assert "fdo.command: '/bin/echo' is not permitted like that" in refused
    (last, *_) = call(site, "operator", "GET", f"devices/{guid}/deliveries")["items"]
    assert last["modules"][-1]["stderr"] == "not permitted on this device\n"
    permits.write_text(json.dumps({"commands": [["/bin/echo", "ready"]]}))
    taken = answer(capsys, *onboard, "--rounds", "100")
    assert taken["modules"] == ["fdo.command: '/bin/echo' ended with exit code 0"]
