"""One sentence for each place where a device can be on its way."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from onboarding.services.diagnosis.advice import advise
from onboarding.services.diagnosis.facts import name_of
from onboarding.services.diagnosis.words import Why, ago, remedy_of
from onboarding.store.traces import Trace
from tests.support.advice_cases import CASES, FACTORY, RENDEZVOUS, VOUCHER, at, run


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_says_what_is_the_matter(case: str) -> None:
    facts, why, words = CASES[case]
    advice = advise(facts)
    assert advice.why is why, advice.sentence
    assert words in advice.sentence
    assert advice.sentence.endswith(".")
    assert "  " not in advice.sentence
    assert ".." not in advice.sentence


def test_every_place_has_a_case() -> None:
    assert {why for _, why, _ in CASES.values()} == set(Why)


def test_what_is_not_told_yet_gets_an_answer_too() -> None:
    for protocol in ("DI", "TO0", "TO1", "TO2", "TO3"):
        for message in (None, 0, 10, 64, 255):
            for code in (1, 2, 6, 100, 101, 102, 500, 999):
                told = run(protocol, refused=message, code=code)
                assert remedy_of(told)
                assert remedy_of(replace(told, by_peer=True))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s ago"),
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 days ago"),
    ],
)
def test_times_are_told_in_one_unit(seconds: int, words: str) -> None:
    assert ago(seconds) == words


def test_messages_have_names() -> None:
    assert name_of(64) == "TO2.ProveDevice"
    assert name_of(12) == "DI.SetHmac"
    assert name_of(255) == "Error"
    assert (name_of(99), name_of(None)) == (None, None)


TRIES: dict[str, tuple[Callable[[], tuple[Trace, ...]], int]] = {
    "none": (lambda: (), 0),
    "one that went well": (lambda: (run(done=True),), 0),
    "two since": (lambda: (run(), run(), run(done=True), run()), 2),
    "hellos are counted": (
        lambda: (run(passed=None, refused=60, code=101, messages=9), run()),
        10,
    ),
}


@pytest.mark.parametrize("case", TRIES)
def test_tries_are_those_since_it_last_went_well(case: str) -> None:
    runs, count = TRIES[case]
    assert at(runs=runs()).tries("TO2") == count
    assert at(runs=runs()).tries("TO1") == 0


def test_only_an_owner_tells_that_its_key_is_blocked() -> None:
    blocked = replace(VOUCHER, key_here=False, blocked="revoked: stolen")
    for role in (RENDEZVOUS, FACTORY):
        assert advise(at(role=role, voucher=blocked)).why is not Why.KEY_BLOCKED
