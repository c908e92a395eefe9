"""Every fuzz target on its seeds and some hundred changes to them.

`make fuzz` does the same for as long as one likes, guided by coverage.
"""

from itertools import islice

import pytest

from onboarding.wire.message import MsgType
from tests.fuzz.mutate import mutations
from tests.fuzz.targets import TARGETS, seeds_of

CHANGED = 1000  # inputs for each target


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_our_own_errors_comes_out(name: str) -> None:
    target = TARGETS[name]
    seeds = seeds_of(target)
    for data in (b"", *seeds, *islice(mutations(seeds, 1), CHANGED)):
        target.run(data)


def test_every_message_has_a_target() -> None:
    for kind in set(MsgType):
        assert f"message-{int(kind):03}" in TARGETS


def test_a_bug_would_come_out() -> None:
    """A target lets our errors pass, and nothing else."""
    target = TARGETS["cbor"]
    with pytest.raises(TypeError):
        target.run(None)  # type: ignore[arg-type]


def test_the_changes_are_the_same_for_the_same_number() -> None:
    first = list(islice(mutations([b"seed", b"other"], 7), 50))
    assert first == list(islice(mutations([b"seed", b"other"], 7), 50))
    assert len(set(first)) > 30
