"""Manual pages: one for each command, and groff has nothing to say against any."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from onboarding.cli.app import command_line, run
from onboarding.cli.roff import Page, Term, render, text

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def group() -> Any:
    return typer.main.get_group(command_line([]))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man") / "man1"
    assert run(["manual", str(directory)]) == 0
    return directory


def commands(command: Any, words: tuple[str, ...] = ("vouchgate",)) -> dict[str, Any]:
    found = {"-".join(words): command}
    for name, one in getattr(command, "commands", {}).items():
        found |= commands(one, (*words, name))
    return found


def test_each_command_has_a_page_with_every_option(written: Path, group: Any) -> None:
    pages = {path.stem: path.read_text() for path in written.iterdir()}
    known = commands(group)
    assert pages.keys() == known.keys()
    assert len(known) > 100
    for title, command in known.items():
        for one in command.params:
            if one.param_type_name == "option":
                assert text(one.opts[0]) in pages[title], (title, one.opts)


def test_each_page_names_its_command_in_one_line(written: Path) -> None:
    """What whatis(1) and apropos(1) read."""
    for path in written.iterdir():
        lines = path.read_text().splitlines()
        named = lines[lines.index(".SH NAME") + 1]
        assert re.fullmatch(r"[a-z0-9\\-]+ \\- [A-Z].+[^.]", named), path


def test_groff_has_no_warning(written: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed (Debian: groff-base)")
    pages = sorted(map(str, written.iterdir()))
    asked = [groff, "-man", "-ww", "-z", "-Tutf8", *pages]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stderr + done.stdout == ""


def test_words_are_printed_as_they_are() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed (Debian: groff-base)")
    said = ".TH a `b` \\n[x] 'c' --d \\fB é … \"e\""
    page = Page("a-b", "x", said, ((said, "[x]"),), (("ONE", [Term(said, "", said)]),))
    asked = [groff, "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=300n"]
    done = subprocess.run(  # noqa: S603
        asked, input=render(page), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.count(said) == 4, done.stdout


def test_programs_are_told_how_many(tmp_path: Path, capsys: Capture) -> None:
    assert run(["manual", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pages"] == len(list(tmp_path.iterdir()))


def test_a_directory_that_cannot_be_made_exits_2(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["manual", str(tmp_path / "file" / "man1")]) == 2
    assert "Not a directory" in capsys.readouterr().err
