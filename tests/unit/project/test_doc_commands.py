"""Every command of the guides is one: its program, its words, its options are there.

All of them are run as well, by those that test_doc_runs.py names.
"""

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from onboarding.cli.app import command_line
from tests.support.doc_commands import (
    DOCS,
    ROOT,
    Typed,
    programs_of,
    typed_in,
    vouchgate_in,
)

EVERY = [one for path in DOCS for one in typed_in(path)]
CALLING = [one for one in EVERY if any(vouchgate_in(one.text))]
VALUES = {"$at": ["--url", "http://x", "--api-key-file", "f"]}  # as the guides set it


@pytest.fixture(scope="module")
def group() -> Any:
    return typer.main.get_group(command_line([]))


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guides say which service is asked, once for all commands."""
    monkeypatch.setenv("VOUCHGATE_URL", "https://owner.example")


def with_(word: str) -> list[Typed]:
    return [one for one in EVERY if re.search(rf"(?<![\w/.-]){word}\b", one.text)]


def parse(group: Any, arguments: list[str]) -> None:
    """Take arguments apart as the command line does, and run nothing.

    Raises:
        typer.TyperException: There is no such command, option or value.
    """
    given = [part for one in arguments for part in VALUES.get(one, [one])]
    command, context = group, group.make_context("vouchgate", given)
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def test_the_guides_have_commands() -> None:
    assert len(EVERY) > 200
    assert len(CALLING) > 90


@pytest.mark.parametrize("typed", CALLING, ids=lambda one: one.where)
def test_what_is_typed_is_understood(group: Any, typed: Typed) -> None:
    for arguments in vouchgate_in(typed.text):
        parse(group, arguments)


@pytest.mark.parametrize("typed", with_("make"), ids=lambda one: one.where)
def test_every_target_is_in_the_makefile(typed: Typed) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    for program, *arguments in programs_of(typed.text.partition("#")[0]):
        if program == "make":
            named = {one for one in arguments if "=" not in one}
            assert named
            assert named <= targets


@pytest.mark.parametrize("typed", with_("python"), ids=lambda one: one.where)
def test_every_module_is_there(typed: Typed) -> None:
    (module,) = re.findall(r"python -m ([\w.]+)", typed.text)
    assert importlib.util.find_spec(module) is not None


def calls() -> Iterator[tuple[Typed, str, str]]:
    """Method and path of each call that curl makes of a service."""
    for typed in with_("curl"):
        text = typed.text.replace("$OWNER", "http://x/api/v1")
        found = re.search(r"https?://[^/ ]+(/[^ ?\"]*)", text)
        if found is not None:
            method = re.search(r"-X ([A-Z]+)", text)
            yield typed, method[1] if method else "GET", found[1]


def test_every_call_by_hand_is_of_a_route(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from onboarding.services.settings import Role
    from tests.reference.api import openapi_of
    from tests.unit.project.test_docs import pattern_of

    paths = openapi_of(Role.ALL, tmp_path_factory.mktemp("all"))["paths"]
    found = list(calls())
    assert len(found) > 20
    for typed, method, path in found:
        known = {
            verb
            for route, methods in paths.items()
            if re.fullmatch(pattern_of(route), path)
            for verb in methods
        }
        assert method.lower() in known, str(typed)


@pytest.mark.parametrize(
    "wrong",
    ["fleet nonsense", "fleet list --nonsense", "keys new --kind king", "fleet show"],
)
def test_what_is_no_command_is_noticed(group: Any, wrong: str) -> None:
    with pytest.raises(typer.TyperException):
        parse(group, wrong.split())
