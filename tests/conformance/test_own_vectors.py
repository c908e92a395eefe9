"""Our own vectors: up to date, whole, and refused with the verdict they state."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from onboarding.protocol.step import Finished
from onboarding.wire.message import MsgType
from tests.support.byte_patch import patched
from tests.support.fixed_keys import KINDS
from tests.support.fixed_roles import RUNS
from tests.support.own_vectors import cases, file_of, text_of
from tests.support.refusals import code_of
from tests.support.wire_pair import WirePair

FOLDER = Path(__file__).parents[1] / "vectors" / "own"
Told = dict[str, Any]
GIVEN: dict[str, Told] = {
    kind: json.loads((FOLDER / file_of(kind)).read_text()) for kind in KINDS
}
EVERY = [(kind, protocol) for kind in KINDS for protocol in RUNS]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(one, marks=() if one == "P-256" else pytest.mark.full)
        for one in KINDS
    ],
)
def test_a_file_is_what_its_generator_writes(kind: str) -> None:
    written = (FOLDER / file_of(kind)).read_text()
    assert written == text_of(kind), "run python -m tests.support.own_vectors"


def test_there_is_no_other_file() -> None:
    names = {path.name for path in FOLDER.glob("*.json")}
    assert names == {*map(file_of, KINDS), "suites.json", "keys.json"}


def protocol_of(kind: str, protocol: str) -> Told:
    found: Told = GIVEN[kind]["protocols"][protocol]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_is_there_once_good_and_often_bad(kind: str) -> None:
    given = [protocol_of(kind, protocol) for protocol in RUNS]
    good = {one["type"] for one in given for one in one["run"]}
    bad = Counter(case["type"] for one in given for case in one["cases"])
    messages = set(MsgType) - {MsgType.ERROR}
    assert good == messages
    assert all(bad[kind] >= 6 for kind in messages)
    for one in given:
        assert all(message["verdict"] == "ok" for message in one["run"])
        assert all(case["name"] and case["patch"] for case in one["cases"])


@pytest.mark.parametrize(("kind", "protocol"), EVERY)
def test_the_verdicts_are_those_of_the_tables(kind: str, protocol: str) -> None:
    given = protocol_of(kind, protocol)["cases"]
    stated = {one["name"]: one["verdict"] for one in given}
    wanted = {name: case.code for name, case in cases(kind, protocol).items()}
    assert wanted.items() <= stated.items()
    assert len(stated) == len(given)


def wires(kind: str, protocol: str) -> list[tuple[MsgType, bytes]]:
    run = protocol_of(kind, protocol)["run"]
    return [(MsgType(one["type"]), bytes.fromhex(one["wire"])) for one in run]


def of_receiver(kind: str, protocol: str, *, client: bool) -> list[Told]:
    """The cases that a client, or a server, is to refuse."""
    every = protocol_of(kind, protocol)["cases"]
    return [one for one in every if one["type"] % 2 == client]


def answer(pair: WirePair[Any], messages: list[tuple[MsgType, bytes]]) -> None:
    """Give the client the answers among the messages."""
    pair.client.start()
    for kind, data in messages:
        if kind % 2 and isinstance(pair.client.receive(kind, data), Finished):
            return


@pytest.mark.parametrize(("kind", "protocol"), EVERY)
def test_a_run_passes_at_both_ends_and_a_server_refuses_what_is_wrong(
    kind: str, protocol: str
) -> None:
    """At each place of the run all that is wrong there, then what is right."""
    pair, right = RUNS[protocol](kind), wires(kind, protocol)
    elsewhere = RUNS[protocol](kind).env  # what is drawn there is not missing here
    given, shown = of_receiver(kind, protocol, client=False), {}
    state = None
    for place, (message, data) in enumerate(right):
        if message % 2:
            continue
        for case in given:
            if case["after"] == place and case["shows_in"] == message:
                wrong = patched(data, case["patch"])
                try_it = partial(pair.role.step, state, message, wrong, elsewhere)
                shown[case["name"]] = code_of(try_it)
        state = pair.role.step(state, message, data, pair.env).state
    wanted = {one["name"]: one["verdict"] for one in given}
    assert shown == wanted
    answer(RUNS[protocol](kind), right)


@pytest.mark.parametrize(("kind", "protocol"), EVERY)
def test_a_client_refuses_what_is_wrong(kind: str, protocol: str) -> None:
    right = wires(kind, protocol)
    given, shown = of_receiver(kind, protocol, client=True), {}
    for case in given:
        place = case["after"]
        message, data = right[place]
        wrong = [(message, patched(data, case["patch"]))]
        changed = [*right[:place], *wrong, *right[place + 1 :]]
        shown[case["name"]] = code_of(partial(answer, RUNS[protocol](kind), changed))
    assert shown == {one["name"]: one["verdict"] for one in given}
