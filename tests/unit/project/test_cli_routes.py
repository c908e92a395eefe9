"""Whatever the API can do, a command does: each route has a verb, each verb --json."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from onboarding.cli.app import command_line
from onboarding.services.settings import Role
from tests.reference.api import openapi_of
from tests.support.cli_routes import Source, fits

ROOT = Path(__file__).parents[3]
PREFIX = "/api/v1/"


@pytest.fixture(scope="module")
def sent() -> set[tuple[str, str]]:
    return Source.read(ROOT / "onboarding/cli").routes()


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    document = openapi_of(Role.ALL, tmp_path_factory.mktemp("all"))
    return {
        (method.upper(), re.sub(r":\w+}", "}", path.removeprefix(PREFIX)))
        for path, methods in document["paths"].items()
        if path.startswith(PREFIX)
        for method in methods
    }


def test_every_route_has_a_command(
    sent: set[tuple[str, str]], routes: set[tuple[str, str]]
) -> None:
    assert len(routes) > 100
    without = {
        (method, route)
        for method, route in routes
        if not any(verb == method and fits(path, route) for verb, path in sent)
    }
    assert without == set()


def test_every_command_calls_routes_that_there_are(
    sent: set[tuple[str, str]], routes: set[tuple[str, str]]
) -> None:
    beside = {
        (verb, path)
        for verb, path in sent
        if not any(verb == method and fits(path, route) for method, route in routes)
    }
    assert beside == set()


def test_what_is_unknown_stands_for_no_word_of_a_route() -> None:
    assert fits("devices/*/labels", "devices/{guid}/labels")
    assert fits("key-rules/owner/*", "key-rules/{holder}/{fingerprint}")
    assert not fits("devices/*/*", "devices/{guid}/labels")
    assert not fits("devices/*", "devices/{guid}/labels")


def leaves(command: Any, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return {words: command}
    found: dict[tuple[str, ...], Any] = {}
    for name, one in inner.items():
        found |= leaves(one, (*words, name))
    return found


def test_every_command_answers_programs() -> None:
    every = leaves(typer.main.get_group(command_line([])))
    without = {
        words
        for words, command in every.items()
        if not any("--json" in one.opts for one in command.params)
    }
    assert without == set()
