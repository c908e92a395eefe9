"""Where Keylime's record differs from ours: one named change at a time."""

from dataclasses import replace

import pytest

from attestation.keylime.drift import Drift, DriftKind, Expected, Found, compare

OURS, GONE = "device-1", "device-2"
PCR = "ab" * 32
EXPECTED = {
    OURS: Expected({7: (PCR, "cd" * 32)}, b"ek", b"ak"),
    GONE: Expected(None, b"ek2", b"ak2"),
}
POLICY = f'{{"7": ["{"cd" * 32}", "{PCR}"], "mask": "0x80"}}'
FOUND = Found(
    {OURS: POLICY},
    frozenset({OURS, GONE}),
    {OURS: (b"ek", b"ak")},
    frozenset(),
    frozenset(),
)
CHANGES: dict[str, tuple[Found, DriftKind, str]] = {
    "lost": (replace(FOUND, enrolled={}), DriftKind.NOT_ENROLLED, OURS),
    "a value less": (
        replace(FOUND, enrolled={OURS: f'{{"7": ["{PCR}"]}}'}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "a PCR more": (
        replace(FOUND, enrolled={OURS: POLICY[:-1] + ', "8": ["00"]}'}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "no policy": (replace(FOUND, enrolled={OURS: "{}"}), DriftKind.OTHER_POLICY, OURS),
    "no JSON": (replace(FOUND, enrolled={OURS: "x"}), DriftKind.OTHER_POLICY, OURS),
    "no object": (replace(FOUND, enrolled={OURS: "[]"}), DriftKind.OTHER_POLICY, OURS),
    "no list": (
        replace(FOUND, enrolled={OURS: '{"7": 7}'}),
        DriftKind.OTHER_POLICY,
        OURS,
    ),
    "still there": (
        replace(FOUND, enrolled={OURS: POLICY, GONE: POLICY}),
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
        replace(FOUND, enrolled={OURS: POLICY, "x": POLICY}),
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
