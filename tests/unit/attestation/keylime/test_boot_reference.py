"""What a verifier is told of boots: written in one way, read in that way only."""

import json

import pytest

from attestation.errors import PolicyError
from attestation.keylime.boot_reference import BootReference
from tests.support.booted import learnt_policy, reference

GOOD = reference(learnt_policy())
BAD = {
    "no JSON": "x",
    "nested for ever": "[" * 100_000,
    "a list": "[]",
    "no bank": json.dumps({"boots": []}),
    "no list of boots": json.dumps({"bank": "sha256", "boots": 7}),
    "more": GOOD.text[:-1] + ',"more":1}',
    "twice": GOOD.text[:-1] + ',"bank":"sha256"}',
    "other spaces": GOOD.text.replace(",", ", ", 1),
}


def test_it_comes_back_as_it_was_and_is_called_by_its_digest() -> None:
    assert BootReference.read(GOOD.text) == GOOD
    assert len(GOOD.digest) == 64
    assert BootReference("sha384", GOOD.measured).digest != GOOD.digest
    assert GOOD.pcrs == {0, 2, 3, 4, 7, 8, 9, 14}


def test_one_that_lists_no_boot_only_has_the_log_shown() -> None:
    shown = BootReference("sha256", None)
    assert shown.text == '{"bank":"sha256","boots":[]}'
    assert BootReference.read(shown.text) == shown
    assert shown.pcrs == frozenset()


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        BootReference.read(text)
