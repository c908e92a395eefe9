"""`vouchgate cohort` and `policy runtime` against one real process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from tests.support.api_bench import PCRS
from tests.support.cli_site import Capture, Site, answer, call, running_site

RUNTIME = {
    "meta": {"version": 1, "generator": 3},
    "digests": {"boot_aggregate": ["ab" * 32]},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        for _ in range(2):
            body = {"kind": "attestation", "name": "boot", "pcrs": PCRS}
            call(site, "security", "POST", "policies", body)
        yield site


def where(site: Site, role: str = "security") -> list[str]:
    return ["--url", site.url, "--api-key-file", str(site.key(role))]


def test_a_policy_is_observed_looked_at_enforced_and_updated(
    site: Site, capsys: Capture
) -> None:
    observe = ["cohort", "observe", "berlin", "--policy", "boot", "--version", "1"]
    made: Any = answer(capsys, *observe, "--label", "site=berlin", *where(site))
    assert (made["mode"], made["labels"]) == ("observe", {"site": "berlin"})
    enforce = ["cohort", "enforce", "berlin", *where(site)]
    assert run(enforce) == 0
    told = capsys.readouterr().out
    assert "0 would pass, 0 would fail, 0 not seen, 0 contested" in told
    seen: Any = answer(capsys, *enforce)
    assert f"--accept {seen['preview']}" in told

    assert run([*enforce, "--accept", "0" * 64]) == 1
    assert "Other devices would fail" in capsys.readouterr().err
    done: Any = answer(capsys, *enforce, "--accept", seen["preview"])
    assert done["mode"] == "enforce"
    assert run(enforce) == 1
    assert "enforces boot version 1 already" in capsys.readouterr().err

    update = ["cohort", "update", "berlin", "--image", "CD" * 32, *where(site)]
    assert run([*update, "--version", "1"]) == 1
    capsys.readouterr()
    opened: Any = answer(capsys, *update, "--version", "2", "--hours", "1")
    assert (opened["version"], opened["windows"]) == (2, 0)
    assert run(["cohort", "updates", *where(site, "operator")]) == 0
    assert "none" in capsys.readouterr().out
    assert run(["cohort", "list", *where(site, "operator")]) == 0
    assert "boot version 2" in capsys.readouterr().out
    assert run(["cohort", "remove", "berlin", *where(site)]) == 0
    capsys.readouterr()
    left: Any = answer(capsys, "cohort", "list", *where(site))
    assert left["items"] == []


def test_what_is_no_label_is_refused(site: Site, capsys: Capture) -> None:
    observe = ["cohort", "observe", "x", "--policy", "boot", *where(site)]
    assert run([*observe, "--label", "berlin"]) == 2
    assert "name=value" in capsys.readouterr().err


def test_a_runtime_policy_is_stored_and_printed_byte_for_byte(
    site: Site, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "runtime.json"
    file.write_text(json.dumps(RUNTIME))
    runtime = ["policy", "runtime", *where(site)]
    assert run([*runtime, str(file), "--json"]) == 0
    digest = json.loads(capfdbinary.readouterr().out)["digest"]
    assert run([*runtime, "--show", digest]) == 0
    assert capfdbinary.readouterr().out == file.read_bytes()
    assert run([*runtime, str(file), "--show", digest]) == 2
    assert run([*runtime, "--show", "../policies"]) == 2
