"""Kept states answer for exactly their bytes, and for a bounded number of runs."""

from onboarding.protocol.to2_states import AwaitingReady, Session
from onboarding.protocol.tunnel import Tunnel
from onboarding.services.warm_states import WarmStates
from ownership_vouchers.cose import Aead
from ownership_vouchers.types import Guid

RUN, OTHER = bytes(16), bytes(15) + b"\1"
STATE = AwaitingReady(
    Session(Guid(bytes(16)), bytes(16), Tunnel(Aead.A128GCM, bytes(16)), b"", False)
)


def test_a_kept_state_is_given_for_its_bytes_only() -> None:
    states = WarmStates()
    states.put(RUN, b"sealed", STATE)
    assert states.get(RUN, b"sealed") is STATE
    assert states.get(RUN, b"sealed by another replica") is None
    assert states.get(OTHER, b"sealed") is None


def test_a_later_state_takes_the_place_of_the_earlier_one() -> None:
    states = WarmStates()
    states.put(RUN, b"first", STATE)
    states.put(RUN, b"second", STATE)
    assert states.get(RUN, b"first") is None
    assert states.get(RUN, b"second") is STATE


def test_a_run_that_ended_is_forgotten() -> None:
    states = WarmStates()
    states.put(RUN, b"sealed", STATE)
    states.drop(RUN)
    states.drop(OTHER)
    assert states.get(RUN, b"sealed") is None


def test_the_least_recently_moved_runs_go_first() -> None:
    states = WarmStates(size=2)
    for number in range(3):
        states.put(bytes([number]), b"sealed", STATE)
    states.put(b"\1", b"moved on", STATE)
    states.put(b"\3", b"sealed", STATE)
    found = [states.get(bytes([n]), b"sealed") for n in range(4)]
    assert found == [None, None, None, STATE]
    assert states.get(b"\1", b"moved on") is STATE


def test_the_states_do_not_show_in_a_log() -> None:
    states = WarmStates()
    states.put(RUN, b"sealed", STATE)
    assert repr(states) == "WarmStates(1)"
