"""The directory applier: whole or not at all, inside its root, gone when removed."""

import hashlib
from pathlib import Path

import pytest

from onboarding.device.applier import (
    MAX_FILES,
    DirectoryApplier,
    FileDigest,
    WorkloadFile,
)
from onboarding.device.errors import ApplyError

DIGEST = "ab" * 32
UNIT = WorkloadFile("edge.container", b"[Container]\nImage=example\n")
POD = WorkloadFile("pods/edge.yaml", b"kind: Pod\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workload"


def digest(file: WorkloadFile) -> FileDigest:
    return FileDigest(file.path, hashlib.sha256(file.content).hexdigest())


def test_applied_files_stand_under_the_name_with_their_content(root: Path) -> None:
    assert DirectoryApplier(root).apply("edge", DIGEST, [UNIT, POD]) == (
        digest(UNIT),
        digest(POD),
    )
    assert (root / "edge" / "pods" / "edge.yaml").read_bytes() == POD.content


def test_a_new_release_replaces_the_old_one_whole(root: Path) -> None:
    applier = DirectoryApplier(root)
    applier.apply("edge", DIGEST, [UNIT, POD])
    applier.apply("edge", "cd" * 32, [POD])
    assert applier.present("edge") == (digest(POD),)
    assert [p.name for p in (root / ".releases").iterdir()] == [f"edge@{'cd' * 32}"]


def test_applying_again_mends_a_file_that_was_touched(root: Path) -> None:
    applier = DirectoryApplier(root)
    applier.apply("edge", DIGEST, [UNIT])
    (root / "edge" / UNIT.path).write_bytes(b"altered")
    assert applier.apply("edge", DIGEST, [UNIT]) == (digest(UNIT),)


def test_what_a_crash_left_half_written_does_not_get_in_the_way(root: Path) -> None:
    half = root / ".releases" / f".new-edge@{DIGEST}"
    half.mkdir(parents=True)
    (half / "junk").write_bytes(b"x")
    assert DirectoryApplier(root).apply("edge", DIGEST, [UNIT]) == (digest(UNIT),)


def test_removal_returns_what_was_there_as_it_was_found(root: Path) -> None:
    applier = DirectoryApplier(root)
    applier.apply("edge", DIGEST, [UNIT])
    (root / "edge" / UNIT.path).write_bytes(b"altered")
    altered = FileDigest(UNIT.path, hashlib.sha256(b"altered").hexdigest())
    assert applier.remove("edge") == (altered,)
    assert not (root / "edge").exists()
    assert not list((root / ".releases").iterdir())


def test_removing_what_is_not_there_removes_nothing(root: Path) -> None:
    assert DirectoryApplier(root).remove("edge") == ()


def test_one_workload_is_removed_beside_another_of_similar_name(root: Path) -> None:
    applier = DirectoryApplier(root)
    applier.apply("edge", DIGEST, [UNIT])
    applier.apply("edge-2", DIGEST, [POD])
    applier.remove("edge")
    assert applier.names() == ("edge-2",)
    assert applier.present("edge-2") == (digest(POD),)


def test_a_directory_that_is_not_ours_is_not_replaced(root: Path) -> None:
    (root / "edge").mkdir(parents=True)
    with pytest.raises(ApplyError, match="not ours"):
        DirectoryApplier(root).apply("edge", DIGEST, [UNIT])


BAD_PATHS = {
    "upwards": "../outside",
    "upwards from inside": "a/../../outside",
    "absolute": "/etc/passwd",
    "empty": "",
    "empty component": "a//b",
    "dot": "./a",
    "hidden": ".bashrc",
    "trailing slash": "a/",
    "backslash": "a\\b",
    "nul": "a\0b",
    "newline": "a\nb",
    "too deep": "/".join("abcdefghi"),
    "too long": "a" * 129,
}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS.keys())
def test_a_path_that_could_lead_outside_is_refused(root: Path, path: str) -> None:
    applier = DirectoryApplier(root)
    with pytest.raises(ApplyError):
        applier.apply("edge", DIGEST, [UNIT, WorkloadFile(path, b"x")])
    assert not root.exists()


BAD_SETS: dict[str, list[WorkloadFile]] = {
    "none": [],
    "twice the same": [UNIT, UNIT],
    "same but for case": [UNIT, WorkloadFile("Edge.Container", b"")],
    "file under a file": [WorkloadFile("a", b""), WorkloadFile("a/b", b"")],
    "too many": [WorkloadFile(f"f{n}", b"") for n in range(MAX_FILES + 1)],
    "too large": [WorkloadFile("big", bytes(17 * 1024 * 1024))],
}


@pytest.mark.parametrize("files", BAD_SETS.values(), ids=BAD_SETS.keys())
def test_files_that_do_not_fit_together_are_refused(
    root: Path, files: list[WorkloadFile]
) -> None:
    with pytest.raises(ApplyError):
        DirectoryApplier(root).apply("edge", DIGEST, files)
    assert not root.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".releases", "a\n"])
def test_a_workload_name_is_one_plain_component(root: Path, name: str) -> None:
    applier = DirectoryApplier(root)
    for call in (applier.present, applier.remove):
        with pytest.raises(ApplyError):
            call(name)
    with pytest.raises(ApplyError):
        applier.apply(name, DIGEST, [UNIT])


def test_a_link_planted_in_the_workload_is_not_followed(
    root: Path, tmp_path: Path
) -> None:
    applier = DirectoryApplier(root)
    applier.apply("edge", DIGEST, [UNIT])
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_bytes(b"mine")
    (root / "edge" / "link").symlink_to(outside)
    applier.remove("edge")
    assert (outside / "keep").read_bytes() == b"mine"
