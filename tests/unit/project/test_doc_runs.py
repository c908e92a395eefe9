"""Every command of the guides is run: who runs it takes its text from the guide.

A runner has a table ``STORY``, and types what ``commands(STORY)`` gives. Those that the
gate runs are tests; the others are the modules of targets that are run where there is
more time, and what such a place runs is read from its own script.
"""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from tests.support.doc_commands import ROOT, Typed
from tests.support.doc_story import (
    OPERATORS,
    Part,
    all_commands,
    commands,
)

GATE, LONG = ROOT / ".ci/run", ROOT / ".ci/long"
RUNNERS = {
    "tests.e2e.test_doc_commands": "unit",
    "tests.e2e.test_doc_keys": "unit",
    "tests.e2e.test_doc_moving": "unit",
    "tests.systemd.__main__": "e2e-systemd",
    "tests.kube.__main__": "e2e-kube",
    "tests.guides.__main__": "docs-commands",
    "tests.guides.containers": "docs-commands",
}
# Nobody runs these by the guide's own words; why not.
LEFT: dict[Part, str] = {
    Part(
        OPERATORS, "All of it with compose", "docker buildx"
    ): "asks Docker's registry",
    Part(
        OPERATORS, "The same with podman", "podman build"
    ): "its base comes from a registry",
}


def story_of(module: str) -> list[Typed]:
    story: tuple[Part, ...] = importlib.import_module(module).STORY
    return commands(story)


def targets_of(script: Path) -> list[str]:
    """What a script of the CI makes; the last thing that it does."""
    (made,) = re.findall(r"^exec make (.+)$", script.read_text(), re.M)
    return str(made).split()


def recipe_of(target: str) -> str:
    """What a target runs itself, without what it needs."""
    text = (ROOT / "Makefile").read_text()
    (found,) = re.findall(rf"^{re.escape(target)}:.*\n((?:\t.*\n)+)", text, re.M)
    return str(found)


def made_by_the_ci() -> set[tuple[str, ...]]:
    """Commands that are, word by word, what the CI types."""
    return {("make", one) for script in (GATE, LONG) for one in targets_of(script)}


def words_of(typed: Typed) -> tuple[str, ...]:
    return tuple(shlex.split(typed.text, comments=True))


def test_every_command_is_run() -> None:
    run = {(one.doc, one.line) for module in RUNNERS for one in story_of(module)}
    left = {(one.doc, one.line) for part in LEFT for one in part.commands()}
    ci = made_by_the_ci()
    nobody = [
        str(one)
        for one in all_commands()
        if (one.doc, one.line) not in run | left and words_of(one) not in ci
    ]
    assert nobody == []
    assert run & left == set()


@pytest.mark.parametrize("module", RUNNERS)
def test_a_runner_types_its_story(module: str) -> None:
    """A test compares what was typed with it, too; a target types one by one."""
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text())
    handed = {
        name.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(name := call.func, ast.Name)
        if any(isinstance(x, ast.Name) and x.id == "STORY" for x in call.args)
    }
    assert (
        {"follow", "commands"} if RUNNERS[module] == "unit" else {"commands"}
    ) <= handed


@pytest.mark.parametrize(("module", "target"), RUNNERS.items())
def test_a_runner_is_run_by_its_target(module: str, target: str) -> None:
    recipe = recipe_of(target)
    if target == "unit":
        assert "pytest $(SPREAD) $(PYTEST_ARGS)" in recipe
        assert "unit" in re.findall(r"^test: (.+?)(?: ##|$)", _makefile(), re.M)[0]
        assert "test" in targets_of(GATE)
    else:
        assert module.rpartition(".")[0] in recipe.replace("/", ".")
        assert target in targets_of(GATE) + targets_of(LONG)


def _makefile() -> str:
    return (ROOT / "Makefile").read_text()
