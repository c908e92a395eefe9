"""What commands print: whole, harmless, and the same in a pipe."""

import pytest

from onboarding.cli.output import print_facts, print_table

Capture = pytest.CaptureFixture[str]
FINGERPRINT = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def test_a_long_cell_is_not_cut_or_folded(capsys: Capture) -> None:
    print_table(["name", "fingerprint"], [("owner", FINGERPRINT)])
    assert capsys.readouterr().out.splitlines() == [
        "name   fingerprint",
        f"owner  {FINGERPRINT}",
    ]


def test_columns_stand_below_each_other_in_any_script(capsys: Capture) -> None:
    print_table(["a", "b"], [("\u5de5\u5382", "x"), ("abcd", "[bold]y")])
    assert capsys.readouterr().out.splitlines() == [
        "a     b",
        "\u5de5\u5382  x",
        "abcd  [bold]y",
    ]


def test_a_cell_cannot_command_the_terminal(capsys: Capture) -> None:
    print_table(["a"], [("\x1b]0;owned\x07",)])
    assert "\\x1b]0;owned\\x07" in capsys.readouterr().out


def test_no_rows_are_none(capsys: Capture) -> None:
    print_table(["a"], [])
    assert capsys.readouterr().out == "none\n"


def test_times_are_told_as_people_read_them_and_numbers_as_they_are(
    capsys: Capture,
) -> None:
    known = {"bound_at": 1_800_000_000, "lease_seconds": 900, "retired_at": None}
    print_facts({**known, "count": 2_000_000_000, "lease_expires": "never"})
    assert capsys.readouterr().out.splitlines() == [
        "bound at  2027-01-15 08:00:00Z",
        "lease seconds  900",
        "retired at  none",
        "count  2000000000",
        "lease expires  never",
    ]
