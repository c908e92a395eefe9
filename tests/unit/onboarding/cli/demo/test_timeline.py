"""The demonstration's timeline: on any terminal, in a pipe, and as JSON."""

import io
import re

import pytest
from rich.console import Console

from onboarding.cli.demo.timeline import StepFailed, Timeline

NAME = "The board's release is withdrawn; it removes its manifests"
DETAIL = "removed: edge.container; " + "https://owner.example.test/" + "a" * 90


def told(width: int) -> list[str]:
    out = io.StringIO()
    timeline = Timeline(Console(file=out, width=width, highlight=False))
    with timeline.step(NAME) as claim:
        claim.detail = DETAIL
    with timeline.refusal("c", "A voucher [b]with[/b] an altered byte") as claim:
        claim.refuse("check [entries] fails")
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    lines = told(width)
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    whole = "".join(line[21:].replace(" ", "") for line in lines)
    for text in (NAME, DETAIL, "[b]with[/b]", "[entries]"):
        assert text.replace(" ", "") in whole


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_time_and_its_unit_stand_on_one_line(width: int) -> None:
    lines = told(width)
    assert sum(bool(re.search(r"\d\.\d\d s$", line)) for line in lines) == 2


def test_a_file_gets_no_control_characters() -> None:
    assert all(line.isprintable() for line in told(80))


def test_what_is_let_in_is_no_refusal() -> None:
    timeline = Timeline(Console(file=io.StringIO()))
    with pytest.raises(StepFailed), timeline.refusal("a", "x"):
        pass
    assert timeline.to_json(ok=False)["refusals"] != []
    assert not timeline.refusals[0].ok
