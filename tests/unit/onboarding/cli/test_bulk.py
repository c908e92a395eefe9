"""Files that go to a service a part at a time, and the bar that shows how far."""

import io
import sys

import pytest

from onboarding.cli.bulk import Part, cut, send_parts
from onboarding.cli.output import CliError
from onboarding.cli.progress import progress
from onboarding.device.errors import Problem

PARTS = [Part(2, b"one"), Part(1, b"two")]
FULL = Problem(507, {"code": "full", "detail": "The disk is full."})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_part_has_no_more_items_or_bytes_than_it_may() -> None:
    assert list(cut(b"abcde", lambda _: 1, 9, 2)) == [[97, 98], [99, 100], [101]]
    assert list(cut("aabbcc", lambda _: 4, 9, 5)) == [["a"] * 2, ["b"] * 2, ["c"] * 2]
    assert list(cut(["long", "b"], len, 3, 5)) == [["long"], ["b"]]
    assert list(cut("", len, 3, 5)) == []


def test_a_part_that_fails_says_what_was_done_before_it() -> None:
    sent: list[Part] = []

    def send(part: Part) -> None:
        if sent:
            raise FULL
        sent.append(part)

    told: list[int] = []
    with pytest.raises(CliError, match="2 of 3 were done before") as failed:
        send_parts(send, PARTS, told.append, "Again.")
    assert (told, failed.value.remedy) == ([2], "Again.")
    assert "The disk is full." in str(failed.value)


def test_a_first_part_that_fails_fails_as_it_is() -> None:
    def send(_part: Part) -> None:
        raise FULL

    with pytest.raises(Problem):
        send_parts(send, PARTS, lambda _: None, "Again.")


def test_a_bar_is_on_standard_error_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("importing", 1000, as_json=False) as tell:
        tell(500)
        tell(500)
    assert "importing" in terminal.getvalue()
    assert "1000/1000" in terminal.getvalue()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_there_is_no_bar_for_programs(
    as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = Terminal() if as_json else io.StringIO()
    monkeypatch.setattr(sys, "stderr", looked_at)
    with progress("importing", 1, as_json=as_json) as tell:
        tell(1)
    assert looked_at.getvalue() == ""
