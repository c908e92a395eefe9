"""Rendezvous information to the letter: what is tried, in which order, and when.

Source: FDO 1.1, sections 3.3.6 and 3.7.
"""

from typing import Any

import pytest

from onboarding.protocol.rv_medium import Interface
from onboarding.protocol.rv_plan import (
    JITTER,
    Note,
    Skip,
    Try,
    Wait,
    jittered,
    plan,
)
from ownership_vouchers import cbor
from ownership_vouchers.rv_values import RvVariable as V
from tests.support.rv_told import PIN, directive, info, told

EXTERNAL = [[int(V.EXT_RV), cbor.encode(["other"])]]
A, B = directive(DNS="a.example"), directive(DNS="b.example")
A_URL, B_URL = ["https://a.example:443"], ["https://b.example:443"]

ORDER: dict[str, tuple[list[list[list[object]]], list[object]]] = {
    "nothing at all": ([], [120]),
    "one directive": ([A], [A_URL, 120]),
    "in their order, without waits between": ([A, B], [A_URL, B_URL, 120]),
    "a delay of its own": ([A + directive(DELAY=7), B], [A_URL, 7, B_URL, 120]),
    "a delay of the last": ([A, B + directive(DELAY=7)], [A_URL, B_URL, 7]),
    "a pure delay": ([directive(DELAY=60), A], [60, A_URL, 120]),
    "a pure delay at the end": ([A, directive(DELAY=60)], [A_URL, 60]),
    "an empty directive": ([[], A], ["skip 1", A_URL, 120]),
    "for the owner, with its delay": (
        [B + directive(OWNER_ONLY=True, DELAY=9), A],
        ["skip 1", A_URL, 120],
    ),
    "for the owner, at the end": (
        [A + directive(DELAY=5), B + directive(OWNER_ONLY=True, DELAY=9)],
        [A_URL, "skip 2", 5],
    ),
    "only for the owner": ([A + directive(OWNER_ONLY=True)], ["skip 1", 120]),
    "for the device": ([A + directive(DEVICE_ONLY=True)], [A_URL, 120]),
    "for both, said twice": (
        [A + directive(DEVICE_ONLY=True, OWNER_ONLY=True)],
        ["skip 1", 120],
    ),
    "bypass": ([A + directive(BYPASS=True)], [["owner", *A_URL], 120]),
    "bypass without an address": ([directive(BYPASS=True), A], ["skip 1", A_URL, 120]),
    "an external rendezvous": (
        [B + directive(EXT_RV=["other"], DELAY=9), A],
        ["skip 1", A_URL, 120],
    ),
    "an external rendezvous that cannot be read": (
        [[*B, [int(V.EXT_RV), b"\xff"]], A],
        ["skip 1", A_URL, 120],
    ),
}


@pytest.mark.parametrize("name", ORDER)
def test_directives_make_these_steps(name: str) -> None:
    directives, steps = ORDER[name]
    assert told(*plan([info(*directives)])) == steps


UNMET: dict[str, tuple[list[list[object]], list[str]]] = {
    "nothing of it": (directive(DNS="rv", PROTOCOL=1, DEVICE_PORT=8040), []),
    "a wired interface": (directive(DNS="rv", MEDIUM=3), ["wired interface 3"]),
    "a wireless one": (directive(DNS="rv", MEDIUM=10), ["wireless interface 0"]),
    "any wired one": (directive(DNS="rv", MEDIUM=20), ["any wired interface"]),
    "any wireless one": (directive(DNS="rv", MEDIUM=21), ["any wireless interface"]),
    "a medium that nobody knows": (directive(DNS="rv", MEDIUM=200), ["medium 200"]),
    "a network and its secret": (
        directive(DNS="rv", WIFI_SSID="plant", WIFI_PW="hunter2"),
        ["the wireless network 'plant'"],
    ),
    "a person": (
        [*directive(DNS="rv"), [int(V.USER_INPUT), cbor.encode(True)]],
        ["input by a person"],
    ),
    "no person": (directive(DNS="rv", USER_INPUT=False), []),
    "no address that could be tried": (directive(MEDIUM=21), []),
    "nothing that can be read": (
        [*directive(DNS="rv"), [int(V.MEDIUM), b"\xff"], [int(V.WIFI_SSID), b"\xff"]],
        [],
    ),
}


@pytest.mark.parametrize("name", UNMET)
def test_what_is_left_to_the_machine_is_said_and_the_addresses_are_tried(
    name: str,
) -> None:
    given, unmet = UNMET[name]
    steps = plan([info(given)])
    notes = [one for one in steps if isinstance(one, Note)]
    words = [f"left to this machine's own network settings: {one}" for one in unmet]
    assert notes == [Note(0, 1, one) for one in words]
    assert not notes or isinstance(steps[1], Try)
    assert "hunter2" not in repr(notes)


HERE = (Interface("wlan0", wireless=True), Interface("eth0", wireless=False))
ON = directive(DNS="rv")
MEDIA: dict[str, tuple[list[list[object]], tuple[str, ...] | str]] = {
    "none is named": (ON, ()),
    "the first wired one": (ON + directive(MEDIUM=0), ("eth0",)),
    "the first wireless one": (ON + directive(MEDIUM=10), ("wlan0",)),
    "any wired one": (ON + directive(MEDIUM=20), ("eth0",)),
    "what cannot be read": ([*ON, [int(V.MEDIUM), b"\xff"]], ()),
    "a wired one that is not here": (ON + directive(MEDIUM=1), "wired interface 1"),
    "a wireless one that is not here": (
        ON + directive(MEDIUM=19),
        "wireless interface 9",
    ),
    "a medium that nobody knows": (ON + directive(MEDIUM=200), "medium 200"),
}


@pytest.mark.parametrize("name", MEDIA)
def test_addresses_are_tried_by_the_medium_of_their_directive(name: str) -> None:
    given, through = MEDIA[name]
    steps = plan([info(given)], interfaces=HERE)
    if isinstance(through, str):
        why = f"it is for {through}, which is not on this machine"
        assert steps == (Skip(0, 1, why), Wait(120, "then all over again"))
        return
    (tried,) = [one for one in steps if isinstance(one, Try)]
    assert tried.through == through
    assert not [one for one in steps if isinstance(one, Note | Skip)]


def test_a_directive_for_another_machines_medium_is_left_out_with_its_delay() -> None:
    away = B + directive(MEDIUM=7, DELAY=9)
    steps = plan([info(A + directive(DELAY=5), away)], interfaces=HERE)
    assert told(*steps) == [A_URL, "skip 2", 5]
    assert told(*plan([info(away, A)], interfaces=HERE)) == ["skip 1", A_URL, 120]


def test_why_a_directive_is_left_out_is_its_first_reason() -> None:
    for more, why in ((directive(OWNER_ONLY=True), "owner"), (EXTERNAL, "rendezvous")):
        given = [*ON, *directive(MEDIUM=7), *more]
        (skip, _) = plan([info(given)], interfaces=HERE)
        assert isinstance(skip, Skip)
        assert why in skip.why


@pytest.mark.parametrize("protocol", [3, 4, 5, 6, 7, 255])
def test_a_protocol_that_is_not_spoken_is_told_and_passed_over(protocol: int) -> None:
    steps = plan([info(A + directive(PROTOCOL=protocol), B)])
    assert told(*steps) == ["skip 1", B_URL, 120]
    assert steps[0] == Skip(0, 1, "it names no address that can be tried")


def test_a_delay_that_cannot_be_read_is_none() -> None:
    odd: list[Any] = [*A, [int(V.DELAY), cbor.encode(-1)]]
    assert told(*plan([info(odd, B)])) == [A_URL, B_URL, 120]


def test_certificate_hashes_go_with_the_addresses() -> None:
    pins = directive(SV_CERT_HASH=PIN.to_item(), CL_CERT_HASH=PIN.to_item())
    step = plan([info(A + pins)])[0]
    assert isinstance(step, Try)
    assert (step.candidates.server_hash, step.candidates.ca_hash) == (PIN, PIN)


def test_a_skipped_directive_says_why() -> None:
    steps = plan([info(A + directive(OWNER_ONLY=True), A + directive(EXT_RV=["x"]))])
    assert steps[:2] == (
        Skip(0, 1, "it is for the owner"),
        Skip(0, 2, "its way of rendezvous is not known here"),
    )


def test_rounds_that_would_not_wait_are_kept_apart_by_growing_pauses() -> None:
    rv_info = info(A + directive(DELAY=0), B + directive(DELAY=0))
    ends = [plan([rv_info], number)[-1] for number in range(8)]
    pauses = [one.seconds for one in ends if isinstance(one, Wait)]
    assert pauses == [3, 6, 12, 24, 48, 96, 120, 120]
    assert plan([rv_info], 10**6)[-1] == ends[-1]


def test_a_round_that_waits_at_all_waits_as_it_is_told() -> None:
    rv_info = info(A + directive(DELAY=1), B + directive(DELAY=0))
    assert told(*plan([rv_info], 50)) == [A_URL, 1, B_URL, 0]


def test_every_credential_is_tried_before_the_long_wait() -> None:
    newer = info(A + directive(DELAY=5))
    older = info(B, A + directive(DELAY=30))
    steps = plan([newer, older])
    assert told(*steps) == [A_URL, B_URL, A_URL, 30]
    assert [s.credential for s in steps if isinstance(s, Try)] == [0, 1, 1]


def test_a_wait_is_a_quarter_longer_or_shorter_at_most() -> None:
    assert jittered(100, 0.0) == 100 * (1 - JITTER) == 75
    assert jittered(100, 0.5) == 100
    assert jittered(100, 1.0) == 125
