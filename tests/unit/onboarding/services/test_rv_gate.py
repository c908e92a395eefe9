"""Lanes to rendezvous servers: a slow one turns callers away, a quick one does not."""

import threading
from contextlib import ExitStack

import pytest

from onboarding.services.rv_gate import LANES, SLOW_SECONDS, Busy, LeftAlone, RvGate
from onboarding.services.rv_gate import Lanes as RealLanes
from onboarding.store.database import Database
from onboarding.store.rv_servers import OPEN_AFTER, RvServerStore

SERVER, OTHER = "https://rv.example.test", "https://rv2.example.test"
NOW = 1_800_000_000


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_slow_server_has_so_many_lanes_and_others_have_their_own() -> None:
    clock = Clock()
    lanes = RealLanes(monotonic=clock)
    with ExitStack() as stack:
        for _ in range(LANES):
            stack.enter_context(lanes.lane(SERVER))
        clock.now = SLOW_SECONDS * 2
        with pytest.raises(Busy, match=SERVER), lanes.lane(SERVER):
            pass
        with lanes.lane(OTHER):
            pass
    with lanes.lane(SERVER):
        pass


def test_nobody_waits_for_ever_at_a_quick_server_either() -> None:
    lanes = RealLanes(lanes=1, wait=0.01)
    with lanes.lane(SERVER), pytest.raises(Busy), lanes.lane(SERVER):
        pass


def test_a_caller_waits_for_a_lane_of_a_quick_server() -> None:
    lanes = RealLanes(lanes=1, wait=60)
    inside, got = threading.Event(), threading.Event()

    def second() -> None:
        inside.set()
        with lanes.lane(SERVER):
            got.set()

    with lanes.lane(SERVER):
        thread = threading.Thread(target=second)
        thread.start()
        assert inside.wait(60)
        assert not got.is_set()
    assert got.wait(60)
    thread.join(60)


def test_a_lane_is_given_back_whatever_happens_in_it() -> None:
    lanes = RealLanes(lanes=1, wait=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), lanes.lane(SERVER):
            raise ZeroDivisionError


def test_an_open_circuit_lets_nobody_through(sqlite_database: Database) -> None:
    servers = RvServerStore(sqlite_database)
    gate = RvGate(servers, lambda: NOW)
    for _ in range(OPEN_AFTER):
        with gate.attempt(SERVER):
            opened = gate.failed(SERVER, "no answer")
    assert opened
    with pytest.raises(LeftAlone, match="5 failures in a row: no answer") as away:
        gate.attempt(SERVER).__enter__()
    assert away.value.until == servers.get(SERVER).open_until
    with gate.attempt(OTHER):
        gate.answered(OTHER)
    gate.answered(SERVER)
    with gate.attempt(SERVER):
        pass
