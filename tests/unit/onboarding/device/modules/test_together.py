"""Owner and device modules against each other, on real files and real programs."""

import hashlib
import sys
from pathlib import Path

import pytest

from onboarding.device.modules.command import CommandModule
from onboarding.device.modules.download import DownloadModule
from onboarding.device.modules.journal import Journal
from onboarding.device.modules.upload import UploadModule
from onboarding.protocol import fdo_download
from onboarding.protocol.errors import RequiredModuleFailed
from onboarding.protocol.fdo_command import CommandModule as RunIt
from onboarding.protocol.fdo_download import FilePush
from onboarding.protocol.fdo_upload import UploadModule as FetchIt
from tests.support.module_pair import ModulePair

PYTHON = sys.executable
CONTENT = bytes(range(256)) * 20
ANY_PYTHON = [(PYTHON, "*")]


def push(name: str, content: bytes = CONTENT) -> fdo_download.DownloadModule:
    return fdo_download.DownloadModule((FilePush(name, content),))


def python(code: str, **changed: object) -> RunIt:
    return RunIt(PYTHON, ("-c", code), **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=len)
@pytest.mark.parametrize("limit", [256, 1300, 65535])
def test_a_file_comes_and_goes_back_unchanged(
    tmp_path: Path, content: bytes, limit: int
) -> None:
    path = tmp_path / "a"
    pair = ModulePair(
        [push("a", content), FetchIt(str(path))],
        [DownloadModule(tmp_path), UploadModule([tmp_path])],
        limit=limit,
    )
    down, up = pair.run()
    assert path.read_bytes() == content
    digest = hashlib.sha384(content).digest()
    assert (down.facts["bytes"], down.facts["sha384"]) == (len(content), digest)
    assert (up.facts["content"], up.facts["sha384"]) == (content, digest)


def test_a_module_may_run_many_times_and_is_activated_once(tmp_path: Path) -> None:
    pair = ModulePair(
        [push("a"), python("print(1)"), push("b"), python("print(2)")],
        [DownloadModule(tmp_path), CommandModule(ANY_PYTHON)],
    )
    assert [one.ok for one in pair.run()] == [True] * 4
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]
    activations = [key for key, _ in pair.sent if key.endswith(":active")]
    assert activations == ["fdo.download:active", "fdo.command:active"]


def test_a_program_tells_its_output_and_exit_code() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    pair = ModulePair([python(code, may_fail=True)], [CommandModule(ANY_PYTHON)])
    (result,) = pair.run()
    assert result.ok
    assert result.facts["exit_code"] == 3
    assert result.facts["stdout"] == b"out\n"
    assert result.facts["stderr"] == b"err\n"


def test_long_output_leaves_its_tail_on_both_sides() -> None:
    code = "print('x' * 300_000 + 'end')"
    pair = ModulePair([python(code)], [CommandModule(ANY_PYTHON, output=10_000)])
    (result,) = pair.run()
    tail = result.facts["stdout"]
    assert isinstance(tail, bytes)
    assert tail.endswith(b"xend\n")
    assert (len(tail), result.facts["bytes"]) == (4096, 10_000)


def test_a_required_program_that_fails_ends_the_run() -> None:
    journal = Journal()
    pair = ModulePair(
        [python("raise SystemExit(3)")],
        [CommandModule(ANY_PYTHON, journal=journal)],
    )
    with pytest.raises(RequiredModuleFailed, match="exit code 3") as ended:
        pair.run()
    assert ended.value.told == "required ServiceInfo module fdo.command failed"
    (result,) = ended.value.results
    assert (result.accepted, result.facts["exit_code"]) == (True, 3)
    assert "exit code 3" in str(journal.failures[0])


def test_what_the_device_lacks_is_skipped_unless_required(tmp_path: Path) -> None:
    optional = python("", required=False)
    pair = ModulePair([optional, push("a")], [DownloadModule(tmp_path)])
    skipped, done = pair.run()
    assert (skipped.ok, skipped.offered, skipped.accepted) == (False, False, False)
    assert done.ok
    missing = ModulePair([python("")], [DownloadModule(tmp_path)])
    with pytest.raises(RequiredModuleFailed, match="does not have it") as ended:
        missing.run()
    assert ended.value.told.endswith("fdo.command could not be run")


def test_a_file_that_may_not_be_given_is_turned_down_and_the_next_one_given(
    tmp_path: Path,
) -> None:
    given, kept = tmp_path / "given", tmp_path / "kept"
    given.write_bytes(b"given")
    kept.write_bytes(b"kept")
    journal = Journal()
    pair = ModulePair(
        [FetchIt(str(kept), required=False), FetchIt(str(given))],
        [UploadModule([given], journal=journal)],
    )
    refused, came = pair.run()
    assert (refused.ok, refused.offered, refused.accepted) == (False, True, False)
    assert refused.detail == "the device turned it down"
    assert came.facts["content"] == b"given"
    assert "not among" in str(journal.failures[0])


def test_a_file_that_is_too_long_is_given_up_and_so_is_its_module(
    tmp_path: Path,
) -> None:
    path = tmp_path / "long"
    path.write_bytes(CONTENT)
    pair = ModulePair(
        [
            FetchIt(str(path), max_bytes=100, required=False),
            FetchIt(str(path), required=False),
            push("after"),
        ],
        [UploadModule([path]), DownloadModule(tmp_path)],
    )
    long, second, after = pair.run()
    assert long.detail.endswith("is over 100 bytes")
    assert second.detail == "one before it was left in the middle"
    assert after.ok


def test_modules_behind_the_one_that_failed_are_told_as_not_reached(
    tmp_path: Path,
) -> None:
    pair = ModulePair([push("../a"), push("b")], [DownloadModule(tmp_path / "files")])
    with pytest.raises(RequiredModuleFailed, match="could not write") as ended:
        pair.run()
    failed, unreached = ended.value.results
    assert failed.facts["item"] == "../a"
    assert (unreached.offered, unreached.detail) == (False, "was not reached")
