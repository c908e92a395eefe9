"""Which network interface a number of RVMedium means."""

import pytest

from onboarding.protocol.rv_medium import Interface, chosen, words

ROUTER = (
    Interface("wlan1", wireless=True),
    Interface("eth10", wireless=False),
    Interface("eth2", wireless=False),
    Interface("wlan0", wireless=True),
    Interface("eth0", wireless=False),
)
MEANT: dict[int, tuple[str, ...]] = {
    0: ("eth0",),
    1: ("eth2",),
    2: ("eth10",),
    3: (),
    9: (),
    10: ("wlan0",),
    11: ("wlan1",),
    12: (),
    20: ("eth0", "eth2", "eth10"),
    21: ("wlan0", "wlan1"),
    22: (),
    255: (),
}


@pytest.mark.parametrize("medium", MEANT)
def test_interfaces_of_a_kind_are_counted_by_their_names(medium: int) -> None:
    assert chosen(medium, ROUTER) == MEANT[medium]


@pytest.mark.parametrize("medium", range(256))
def test_there_is_none_where_there_are_none(medium: int) -> None:
    assert chosen(medium, ()) == ()


def test_names_of_any_form_can_be_sorted() -> None:
    names = ["enp3s0f1", "enp3s0f0", "enx00e04c68", "0", "eth", "br-lan", "2eth"]
    found = chosen(20, [Interface(name, wireless=False) for name in names])
    assert sorted(found) == sorted(names)
    assert found.index("enp3s0f0") < found.index("enp3s0f1")


WORDS = {
    0: "wired interface 0",
    9: "wired interface 9",
    10: "wireless interface 0",
    20: "any wired interface",
    21: "any wireless interface",
    22: "medium 22",
}


@pytest.mark.parametrize("medium", WORDS)
def test_a_medium_is_said_in_words(medium: int) -> None:
    assert words(medium) == WORDS[medium]
