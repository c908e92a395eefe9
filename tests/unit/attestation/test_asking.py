"""What a device is asked for: one quote for all that it is held to."""

from dataclasses import replace

from attestation.asking import BANK, Asking
from attestation.learning import LEARNT
from attestation.policy import AttestationPolicy

HELD = AttestationPolicy("held", 1, {7: ("ab" * 32,)})
SEEN = AttestationPolicy("seen", 1, {8: ("cd" * 32,)}, runtime_policy="ef" * 32)
WIDE = AttestationPolicy("wide", 1, {9: ("ab" * 48,)}, bank="sha384")


def test_what_is_observed_is_asked_for_and_never_demanded() -> None:
    asked = Asking.of([HELD], [SEEN])
    assert asked.pcrs == (7, 8, 10)
    assert asked.logs == frozenset()
    assert asked.optional_logs == {"ima"}
    assert Asking.of([SEEN], [SEEN]).optional_logs == set()


def test_a_quote_is_over_the_bank_of_what_the_device_is_held_to() -> None:
    asked = Asking.of([HELD], [WIDE])
    assert (asked.bank, asked.pcrs) == ("sha256", (7,))
    assert Asking.of([], [WIDE, HELD]).bank == "sha384"


def test_in_an_update_both_versions_are_served() -> None:
    old = replace(HELD, version=2, pcrs={7: ("00" * 31 + "01",), 4: ("ab" * 32,)})
    assert Asking.of([HELD, old]).pcrs == (4, 7)


def test_a_device_that_is_learnt_from_shows_what_policies_are_drafted_from() -> None:
    asked = Asking.of([], learn=True)
    assert (asked.bank, asked.pcrs) == (BANK, tuple(sorted(LEARNT)))
    assert asked.to_item()["optional_logs"] == ["ima", "uefi"]
