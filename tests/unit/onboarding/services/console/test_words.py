"""How values are written for people, hostile ones among them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from onboarding.services.console import words
from onboarding.store.state import DeviceState

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("board rev B", "board rev B"),
        ("Zürich 東京", "Zürich 東京"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("\x1b[2J", "\\x1b[2J"),
        ("line\nnext\t.", "line\nnext\t."),
        ("\x00", "\\x00"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_plays_tricks_is_made_visible(said: str, shown: str) -> None:
    assert words.visible(said) == shown


@given(st.text(alphabet=st.characters()))
def test_nothing_that_is_shown_turns_or_clears_the_page(said: str) -> None:
    shown = words.visible(said)
    assert isinstance(shown, str)
    assert all(one.isprintable() or one in "\n\t" for one in shown)


def test_markup_of_ours_and_other_values_are_left_alone() -> None:
    for value in (Markup("<b>\u202e</b>"), 5, None):
        assert words.visible(value) is value


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("see `vouchgate doctor`.", "see <code>vouchgate doctor</code>."),
        ("`a` and `<b>`", "<code>a</code> and <code>&lt;b&gt;</code>"),
        ("not ` closed <i>", "not ` closed &lt;i&gt;"),
        ("`\u202e`", "<code>\\u202e</code>"),
        ("", ""),
    ],
)
def test_commands_in_a_sentence_are_shown_as_such(said: str, shown: str) -> None:
    assert (words.coded(said), type(words.coded(said))) == (shown, Markup)


def test_a_time_is_read_by_people_and_programs() -> None:
    assert words.moment(NOW) == (
        '<time datetime="2027-01-15T08:00:00Z">2027-01-15 08:00:00</time>'
    )


@pytest.mark.parametrize("seconds", [-1, 2**62])
def test_a_time_that_is_none_still_shows(seconds: int) -> None:
    assert str(seconds) in words.moment(seconds)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "never"),
        (NOW, "0 s ago"),
        (NOW - 180, "3 min ago"),
        (NOW + 180, "in 3 min"),
        (NOW - 3 * 86400, "3 days ago"),
    ],
)
def test_how_long_ago_is_said_in_one_unit(seconds: int | None, said: str) -> None:
    assert words.ago(seconds, NOW) == said


def test_every_state_has_a_tone_and_a_sentence() -> None:
    assert words.STATES.keys() == {state.value for state in DeviceState}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("labels", {"site": "here", "rack": 1}, "site=here, rack=1"),
        ("labels", {}, "none"),
        ("reasons", ["one", "two"], "one; two"),
        ("until", NOW, words.moment(NOW)),
        ("entries", 2, 2),
        ("reason", "why", "why"),
    ],
)
def test_a_detail_of_an_event_is_one_line(
    name: str, value: object, said: object
) -> None:
    assert words.detail(value, name) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (8_192_000_000, "7.629 GiB"),
        (4_000_000_000_000, "3.638 TiB"),
        ((1 << 63) - 1, "8192 PiB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_fits(size: int, said: str) -> None:
    assert words.amount(size) == said
