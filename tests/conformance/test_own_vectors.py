"""Our own vectors: up to date, whole, and refused with the verdict they state."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from onboarding.protocol.step import Finished
from onboarding.wire.message import MsgType
from tests.support.fixed_roles import RUNS
from tests.support.own_vectors import CASES, files
from tests.support.refusals import code_of
from tests.support.wire_pair import WirePair

FOLDER = Path(__file__).parents[1] / "vectors" / "own"
GIVEN: dict[str, Any] = {
    protocol: json.loads((FOLDER / f"{protocol.lower()}.json").read_text())
    for protocol in RUNS
}
EVERY = [(name, number) for name in RUNS for number in range(len(GIVEN[name]["cases"]))]


def test_the_files_are_what_their_generator_writes() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert written == files(), "run python -m tests.support.own_vectors"


def test_every_message_is_there_once_good_and_often_bad() -> None:
    good = {one["type"] for given in GIVEN.values() for one in given["run"]}
    bad = [case["type"] for given in GIVEN.values() for case in given["cases"]]
    messages = set(MsgType) - {MsgType.ERROR}
    assert good == messages
    assert all(bad.count(kind) >= 6 for kind in messages)
    for given in GIVEN.values():
        assert all(one["verdict"] == "ok" for one in given["run"])
        assert all(case["origin"] and case["verdict"] for case in given["cases"])


def test_the_verdicts_are_those_of_the_tables() -> None:
    for protocol, cases in CASES.items():
        stated = {one["name"]: one["verdict"] for one in GIVEN[protocol]["cases"]}
        assert {
            name: case.code for name, case in cases.items()
        }.items() <= stated.items()


def body(one: dict[str, Any]) -> tuple[MsgType, bytes]:
    return MsgType(one["type"]), bytes.fromhex(one["wire"])


def serve(pair: WirePair[Any], messages: list[dict[str, Any]]) -> None:
    """Give the server the requests among the messages."""
    state = None
    for kind, data in map(body, messages):
        if kind % 2 == 0:
            state = pair.role.step(state, kind, data, pair.env).state


def answer(pair: WirePair[Any], messages: list[dict[str, Any]]) -> None:
    """Give the client the answers among the messages."""
    pair.client.start()
    for kind, data in map(body, messages):
        if kind % 2 and isinstance(pair.client.receive(kind, data), Finished):
            return


@pytest.mark.parametrize("protocol", RUNS)
def test_a_run_passes_at_both_ends(protocol: str) -> None:
    serve(RUNS[protocol](), GIVEN[protocol]["run"])
    answer(RUNS[protocol](), GIVEN[protocol]["run"])


@pytest.mark.parametrize(("protocol", "number"), EVERY)
def test_a_wrong_message_gets_its_verdict(protocol: str, number: int) -> None:
    given, pair = GIVEN[protocol], RUNS[protocol]()
    case = given["cases"][number]
    messages = [*given["run"]]
    messages[case["after"]] = case
    play = answer if case["type"] % 2 else serve
    assert code_of(partial(play, pair, messages)) == case["verdict"]
