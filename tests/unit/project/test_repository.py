"""The repository as a newcomer needs it: nothing of one machine, nothing secret."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = (
    "requirements/all.txt",
    "requirements/run.txt",
    "requirements/build.txt",
    "requirements/fuzz.txt",
    "requirements/docs.txt",
)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
INDEX = re.compile(r"--(extra-)?index-url|--find-links|files\.pythonhosted|/simple/?")


def _tracked() -> list[Path]:
    asked = ["git", "ls-files", "-z"]
    answer = subprocess.run(  # noqa: S603
        asked, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in answer.stdout.split("\0") if name]


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_package_by_hash_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not INDEX.search(text)
    pins = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==\S+.*(?:\n .*)*", text, re.M)
    assert len(pins) > 1
    assert all("--hash=sha256:" in pin for pin in pins)


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_every_declared_dependency_is_locked(lock: str) -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    locked = (ROOT / lock).read_text().lower()
    for requirement in wanted:
        name = re.split(r"[\[<>=! ]", requirement)[0].lower()
        assert re.search(rf"^{re.escape(name)}(\[.*\])?==", locked, re.M), name


def test_no_private_key_stands_in_a_tracked_file() -> None:
    for path in _tracked():
        if path.suffix in {".png", ".evlog"} or not path.is_file():
            continue
        found = PRIVATE_KEY.search(path.read_text(errors="replace"))
        assert found is None, path


def test_no_path_of_a_developer_machine_stands_in_a_tracked_file() -> None:
    # Written in two parts so that this line does not find itself.
    foreign = re.compile("/" + "work/|/" + r"root/\.|/home/[a-z]+/")
    for path in _tracked():
        if path.is_file():
            found = foreign.search(path.read_text(errors="replace"))
            assert found is None, f"{path}: {found and found.group()}"
