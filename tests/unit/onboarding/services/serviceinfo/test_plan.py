"""Plans: what is taken, and what is made of it."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from onboarding.protocol.fdo_command import CommandModule
from onboarding.protocol.fdo_download import DownloadModule
from onboarding.protocol.fdo_wget import WgetModule
from onboarding.services.errors import Problem
from onboarding.services.key_store import KeyStore
from onboarding.services.serviceinfo.builders import built_in
from onboarding.services.serviceinfo.files import PlanFiles
from onboarding.services.serviceinfo.plan import CompiledPlan, PlanDocument, compiled
from onboarding.store.database import Database
from onboarding.store.module_files import ModuleFileStore
from tests.support.store_records import ACTOR, NOW

CONTENT = b"agent"
BUILDERS = built_in(KeyStore(Path("none"), b""))  # without any device CA
URL = "https://files.example.test/{devmod.arch}/agent"
NONE = "0" * 64


@pytest.fixture
def files(tmp_path: Path, sqlite_database: Database) -> PlanFiles:
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "agent").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(b"secret")
    (directory / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(directory / "pipe")
    store = ModuleFileStore(sqlite_database)
    store.add("app.json", CONTENT, ACTOR, NOW)
    return PlanFiles(store, directory)


def step(module: str, **parameters: Any) -> dict[str, Any]:
    return {"module": module, "parameters": parameters}


def made(files: PlanFiles, *steps: dict[str, Any]) -> CompiledPlan:
    document = PlanDocument.model_validate({"steps": steps}).pinned(files)
    return compiled("base", 1, document, BUILDERS, files)


def test_a_step_becomes_its_module(files: PlanFiles) -> None:
    plan = made(
        files,
        step("fdo.download", name="etc/a", path="agent"),
        step("fdo.command", command="/bin/a", args=["{serial}"], may_fail=True),
        {**step("fdo.wget", url=URL, sha384="ab" * 48), "required": False},
    )
    down, run, fetch = plan.steps
    assert [one.needs for one in plan.steps] == [set(), {"serial"}, {"devmod.arch"}]
    pushed = down.build({})
    assert isinstance(pushed, DownloadModule)
    assert pushed.files[0].content == CONTENT
    assert pushed.files[0].digest == hashlib.sha384(CONTENT).digest()
    assert down.build({}) is pushed  # made once for all devices
    ordered = run.build({"serial": "SN-1"})
    assert ordered == CommandModule("/bin/a", ("SN-1",), may_fail=True)
    fetched = fetch.build({"devmod.arch": "x"})
    assert isinstance(fetched, WgetModule)
    assert fetched.url == "https://files.example.test/x/agent"
    assert (fetched.required, fetch.required) == (False, False)


def test_a_plan_names_the_bytes_it_sends(files: PlanFiles) -> None:
    document = PlanDocument.model_validate(
        {"steps": [step("fdo.download", name="a", file="app.json")]}
    )
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert document.pinned(files).digests == (digest,)
    with pytest.raises(Problem, match="no file other"):
        made(files, step("fdo.download", name="a", file="other"))


def test_a_plan_is_another_one_when_its_files_are(
    files: PlanFiles, tmp_path: Path
) -> None:
    sent = step("fdo.download", name="etc/a", path="agent")
    before = made(files, sent)
    assert made(files, sent).id == before.id
    (tmp_path / "files" / "agent").write_bytes(b"other")
    assert made(files, sent).id != before.id


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such module": (step("org.example.none"), "no such module"),
    "an unknown parameter": (step("fdo.upload", name="/a", x=1), "Extra inputs"),
    "a missing parameter": (step("fdo.command"), "command: Field required"),
    "an unknown variable": (step("fdo.upload", name="/{color}"), r"\{color\}"),
    "two contents": (step("fdo.download", name="a", text="", path="agent"), "give one"),
    "no content": (step("fdo.download", name="a"), "give one"),
    "a digest that is not there": (
        step("fdo.download", name="a", file=NONE),
        "no file 0000",
    ),
    "a path that is not there": (
        step("fdo.download", name="a", path="none"),
        "No such file",
    ),
    "a path that leads out": (
        step("fdo.download", name="a", path="../secret"),
        "does not lie",
    ),
    "a link that leads out": (
        step("fdo.download", name="a", path="link"),
        "does not lie",
    ),
    "an absolute path": (
        step("fdo.download", name="a", path="/etc/passwd"),
        "does not lie",
    ),
    "a path that is no file": (step("fdo.download", name="a", path="pipe"), "regular"),
    "a directory": (step("fdo.download", name="a", path="."), "regular"),
    "a path of a variable": (
        step("fdo.download", name="a", path="{serial}"),
        "cannot be chosen",
    ),
    "a URL of another kind": (step("fdo.wget", url="ftp://a/b"), "not http"),
    "a certificate of no CA": (step("fdo.csr"), "no device CA"),
    "too many bytes": (step("fdo.upload", name="/a", max_bytes=1 << 20), "max_bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_plan_that_cannot_be_run_is_refused_with_the_step(
    files: PlanFiles, name: str
) -> None:
    wrong, why = WRONG[name]
    good = step("fdo.upload", name="/a")
    with pytest.raises(ValueError, match=why) as refused:
        made(files, good, wrong)
    assert str(refused.value).startswith(f"step 2, {wrong['module']}: ")


def test_without_a_directory_no_path_is_read(sqlite_database: Database) -> None:
    files = PlanFiles(ModuleFileStore(sqlite_database), None)
    with pytest.raises(ValueError, match="no files_directory"):
        made(files, step("fdo.download", name="a", path="agent"))


def test_files_that_are_too_much_together_are_refused(
    files: PlanFiles, tmp_path: Path
) -> None:
    (tmp_path / "files" / "big").write_bytes(bytes(6 * 1024 * 1024))
    big = step("fdo.download", name="a", path="big")
    made(files, big, big)
    with pytest.raises(ValueError, match="over 16777216"):
        made(files, big, big, big)


def test_uploads_that_are_too_much_together_are_refused(files: PlanFiles) -> None:
    large = step("fdo.upload", name="/a", max_bytes=256 * 1024)
    made(files, *[large] * 4)
    with pytest.raises(ValueError, match="over 1048576"):
        made(files, *[large] * 5)


@pytest.mark.parametrize("steps", [[], [step("fdo.upload", name="/a")] * 65])
def test_a_plan_has_some_steps_but_not_too_many(steps: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="steps"):
        PlanDocument.model_validate({"steps": steps})
