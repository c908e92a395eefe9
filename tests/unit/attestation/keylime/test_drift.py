"""Where Keylime's record differs from ours: one named change at a time."""

from dataclasses import replace

import pytest

from attestation.keylime.drift import Drift, DriftKind, Expected, Found, compare
from attestation.keylime.results import Enrolment

OURS, GONE = "device-1", "device-2"
PCR = "ab" * 32
EXPECTED = {
    OURS: Expected({7: (PCR, "cd" * 32)}, b"ek", b"ak"),
    GONE: Expected(None, b"ek2", b"ak2"),
}
POLICY = f'{{"7": ["{"cd" * 32}", "{PCR}"], "mask": "0x80"}}'
HELD = Enrolment(POLICY)
FOUND = Found(
    {OURS: HELD},
    frozenset({OURS, GONE}),
    {OURS: (b"ek", b"ak")},
    frozenset(),
    frozenset(),
)
CHANGES: dict[str, tuple[Found, DriftKind, str]] = {
    "lost": (replace(FOUND, enrolled={}), DriftKind.NOT_ENROLLED, OURS),
    "a value less": (
        replace(FOUND, enrolled={OURS: Enrolment(f'{{"7": ["{PCR}"]}}')}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "a PCR more": (
        replace(FOUND, enrolled={OURS: Enrolment(POLICY[:-1] + ', "8": ["00"]}')}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "no policy": (
        replace(FOUND, enrolled={OURS: Enrolment("{}")}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "no JSON": (
        replace(FOUND, enrolled={OURS: Enrolment("x")}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "no object": (
        replace(FOUND, enrolled={OURS: Enrolment("[]")}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "no list": (
        replace(FOUND, enrolled={OURS: Enrolment('{"7": 7}')}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "still there": (
        replace(FOUND, enrolled={OURS: HELD, GONE: HELD}),
        DriftKind.NOT_WANTED,
        GONE,
    ),
    "not registered": (
        replace(FOUND, registered=frozenset({OURS})),
        DriftKind.NOT_REGISTERED,
        GONE,
    ),
    "another AK": (
        replace(FOUND, keys={OURS: (b"ek", b"other")}),
        DriftKind.OTHER_KEYS,
        OURS,
    ),
    "another EK": (
        replace(FOUND, keys={OURS: (b"other", b"ak")}),
        DriftKind.OTHER_KEYS,
        OURS,
    ),
    "a stranger": (
        replace(FOUND, enrolled={OURS: HELD, "x": HELD}),
        DriftKind.STRANGE_AGENT,
        "x",
    ),
    "a strange registration": (
        replace(FOUND, registered=frozenset({OURS, GONE, "x"})),
        DriftKind.STRANGE_REGISTRATION,
        "x",
    ),
    "a strange runtime policy": (
        replace(FOUND, runtime_policies=frozenset({"x"})),
        DriftKind.STRANGE_RUNTIME_POLICY,
        "x",
    ),
    "a strange boot policy": (
        replace(FOUND, measured_boot_policies=frozenset({"x"})),
        DriftKind.STRANGE_MEASURED_BOOT,
        "x",
    ),
}


def test_the_same_on_both_sides_is_no_drift() -> None:
    assert compare(EXPECTED, FOUND) == ()


CD, EF = frozenset({"vouchgate-cd"}), frozenset({"vouchgate-ef"})
LISTED = {OURS: replace(EXPECTED[OURS], held_to="ab" * 32, runtime=CD, boots=EF)}
KEPT = replace(
    FOUND,
    enrolled={OURS: replace(HELD, held_to="ab" * 32)},
    registered=frozenset({OURS}),
    runtime_policies=CD,
    measured_boot_policies=EF,
)


def test_a_policy_for_logs_that_a_device_is_held_to_is_no_stranger() -> None:
    assert compare(LISTED, KEPT) == ()
    next_one = replace(EXPECTED[OURS], kept=frozenset({"vouchgate-cd", "vouchgate-ef"}))
    assert compare({OURS: next_one}, KEPT) == ()
    left = compare({OURS: EXPECTED[OURS]}, KEPT)
    assert [(one.kind, one.name) for one in left] == [
        (DriftKind.STRANGE_RUNTIME_POLICY, "vouchgate-cd"),
        (DriftKind.STRANGE_MEASURED_BOOT, "vouchgate-ef"),
    ]


@pytest.mark.parametrize(
    "found",
    [
        replace(KEPT, enrolled={OURS: HELD}),
        replace(KEPT, enrolled={OURS: replace(HELD, held_to="ff" * 32)}),
        replace(KEPT, runtime_policies=frozenset()),
        replace(KEPT, measured_boot_policies=frozenset()),
    ],
    ids=["not told", "told another", "list not kept", "boots not kept"],
)
def test_a_list_that_is_held_to_something_else_is_another_policy(found: Found) -> None:
    (drift,) = compare(LISTED, found)
    assert (drift.kind, drift.name) == (DriftKind.OTHER_POLICY, OURS)


def test_what_keylime_keeps_under_an_agents_own_name_is_no_stranger() -> None:
    own = frozenset({OURS})
    found = replace(FOUND, runtime_policies=own, measured_boot_policies=own)
    assert compare(EXPECTED, found) == ()


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_is_named_alone(name: str) -> None:
    found, kind, about = CHANGES[name]
    (drift,) = compare(EXPECTED, found)
    assert isinstance(drift, Drift)
    assert (drift.kind, drift.name) == (kind, about)
    assert drift.detail
