"""Random orders of messages never lead where the state table does not.

Runs of all protocols are interleaved over two replicas: their own next messages,
copies of what was sent, messages of other runs, odd bytes, errors of the device, two
copies at once, and the passing of time. Whatever is answered with a reply must have a
place in the table, the run's state moves as the table says, and something is stored
by those moves only that store something. No answer is ever an internal error.

Source: FDO.md 2.10 in our reference.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from onboarding.protocol.step import Send
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import OwnerServiceInfo
from tests.support.any_bytes import ANY
from tests.support.certified_runs import RUNS, Run
from tests.support.certifier import Answer, Certifier

pytestmark = pytest.mark.sqlite_first

CLOSED = "closed"
# Protocol, state, message: the state after it. S3 becomes S4 when IsDone was sent.
TABLE = {
    ("DI", "S1", 12): CLOSED,
    ("TO0", "S1", 22): CLOSED,
    ("TO1", "S1", 32): CLOSED,
    ("TO2", "S1", 62): "S1",
    ("TO2", "S1", 64): "S2",
    ("TO2", "S2", 66): "S3",
    ("TO2", "S3", 68): "S3",
    ("TO2", "S4", 68): "S4",
    ("TO2", "S4", 70): CLOSED,
}
STORING = {12, 22, 70}
ENTRY = MsgType.TO2_GET_OV_NEXT_ENTRY
HMAC = MsgType.DI_SET_HMAC  # answered again, as its answer may have been lost
PROOFS = {22, 32, 64}
OPENING = {10, 20, 30, 60}
SECONDS = {"DI": 120, "TO0": 120, "TO1": 120, "TO2": 3600}
NUMBERS = st.sampled_from(sorted(set(MsgType) - {MsgType.ERROR})) | st.integers(0, 254)
CHOICE = st.integers(0, 1 << 16)


@dataclass
class Track:
    """One run, and where the table says that it stands."""

    name: str
    run: Run
    born: float
    token: str
    state: str = "S1"
    shaken: bool = False  # a refusal may have ended it, or the one proof it may try
    sent: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def next(self) -> Send | None:
        move = self.run.talk.next
        return move if isinstance(move, Send) else None


class AnyOrder(RuleBasedStateMachine):
    """Runs under way against one site; the site outlives the examples."""

    def __init__(self, bench: Certifier) -> None:
        super().__init__()
        self.bench = bench
        self.tracks: list[Track] = []

    def pick(self, choice: int) -> Track:
        return self.tracks[choice % len(self.tracks)]

    def alive(self, track: Track) -> bool:
        young = self.bench.clock.now < track.born + SECONDS[track.name]
        return young and track.state != CLOSED

    def judge(self, track: Track, number: int, answer: Answer, stored: bool) -> None:
        """Hold an answer against the table, and move the track as it says."""
        assert answer.code != 500, (number, track.state)
        if answer.code is not None:
            assert not stored
            track.shaken |= track.state in ("S2", "S3", "S4") or number in PROOFS
            return
        if number in OPENING:
            assert answer.token not in (None, track.token)
            assert not stored
            return
        if number == ENTRY and (track.shaken or track.state == CLOSED):
            assert not stored  # its token still says S1; an entry is no secret
            return
        if number == HMAC and track.state == CLOSED:
            assert not stored
            return
        assert self.alive(track), (track.name, track.state, number)
        after = TABLE[track.name, track.state, number]
        assert answer.type == number + 1
        assert answer.token == track.token  # the one it began with, never another
        assert stored is (number in STORING)
        if after == "S3":
            after = self.after_service_info(track, number, answer)
        track.state = after

    def after_service_info(self, track: Track, number: int, answer: Answer) -> str:
        if number != MsgType.TO2_DEVICE_SERVICE_INFO:
            return "S3"
        plain = track.run.talk.client._tunnel.open(answer.body)
        return "S4" if OwnerServiceInfo.from_cbor(plain).done else "S3"

    def send(self, track: Track, number: int, body: bytes) -> Answer:
        before = self.bench.stored()
        answer = self.bench.post(number, body, track.token)
        self.judge(track, number, answer, self.bench.stored() != before)
        return answer

    @rule(name=st.sampled_from(["TO2", *sorted(RUNS)]), replica=st.integers(0, 1))
    @precondition(lambda self: len(self.tracks) < 5)
    def begin(self, name: str, replica: int) -> None:
        self.bench.replica = replica
        run = RUNS[name](self.bench)
        before = self.bench.stored()
        opening = run.talk.next
        answer = run.talk.send()
        assert self.bench.stored() == before
        assert answer.token is not None
        track = Track(name, run, self.bench.clock.now, answer.token)
        assert isinstance(opening, Send)
        track.sent.append((int(opening.type), opening.body))
        self.tracks.append(track)

    @rule(choice=CHOICE, replica=st.integers(0, 1))
    @precondition(lambda self: self.tracks)
    def go_on(self, choice: int, replica: int) -> None:
        """The next message of a run is taken, if nothing has ended it."""
        track = self.pick(choice)
        move = track.next
        if move is None:
            return
        self.bench.replica = replica
        good = self.alive(track) and not track.shaken
        placed = (track.name, track.state, int(move.type)) in TABLE
        answer = self.send(track, move.type, move.body)
        assert (answer.code is None) or not (good and placed)
        if answer.code is None:
            track.sent.append((int(move.type), move.body))
            track.run.talk.take(answer)

    @rule(choice=CHOICE, steps=st.integers(2, 9))
    @precondition(lambda self: self.tracks)
    def go_far(self, choice: int, steps: int) -> None:
        for number in range(steps):
            self.go_on(choice, number % 2)

    @rule(choice=CHOICE)
    @precondition(lambda self: self.tracks)
    def send_two_at_once(self, choice: int) -> None:
        """Of two copies at once, one is taken; two messages may come twice."""
        track = self.pick(choice)
        move = track.next
        if move is None or move.type == MsgType.TO2_DEVICE_SERVICE_INFO:
            return
        before, state = self.bench.stored(), track.state
        answers = self.bench.post_twice(move.type, move.body, track.token)
        stored = self.bench.stored() != before
        taken = [one for one in answers if one.code is None]
        assert len(taken) < 2 or move.type in (ENTRY, HMAC)
        for answer in answers:
            track.state = state
            self.judge(track, move.type, answer, stored and answer in taken)
        if taken:
            track.state = state
            self.judge(track, move.type, taken[0], stored)
            track.sent.append((int(move.type), move.body))
            track.run.talk.take(taken[0])

    @rule(choice=CHOICE, which=CHOICE)
    @precondition(lambda self: self.tracks)
    def send_again(self, choice: int, which: int) -> None:
        track = self.pick(choice)
        self.send(track, *track.sent[which % len(track.sent)])

    @rule(choice=CHOICE, other=CHOICE)
    @precondition(lambda self: len(self.tracks) > 1)
    def send_under_the_token_of_another(self, choice: int, other: int) -> None:
        move = self.pick(other).next
        if move is not None:
            self.send(self.pick(choice), move.type, move.body)

    @rule(choice=CHOICE, number=NUMBERS, body=ANY)
    @precondition(lambda self: self.tracks)
    def send_odd_bytes(self, choice: int, number: int, body: bytes) -> None:
        self.send(self.pick(choice), int(number), body)

    @rule(choice=CHOICE, number=NUMBERS, which=CHOICE)
    @precondition(lambda self: self.tracks)
    def send_the_body_of_another_message(
        self, choice: int, number: int, which: int
    ) -> None:
        track = self.pick(choice)
        self.send(track, int(number), track.sent[which % len(track.sent)][1])

    @rule(choice=CHOICE)
    @precondition(lambda self: self.tracks)
    def report_an_error(self, choice: int) -> None:
        track = self.pick(choice)
        before = self.bench.stored()
        answer = self.bench.post(255, b"\x85\x18\x64\x0a\x60\x00\x00", track.token)
        assert (answer.status, answer.body) == (200, b"")
        assert self.bench.stored() == before
        track.shaken = True

    @rule(seconds=st.sampled_from([1, 60, 121, 3601]))
    def wait(self, seconds: int) -> None:
        self.bench.clock.now += seconds


@pytest.mark.both
def test_no_order_of_messages_leaves_the_table(bench: Certifier) -> None:
    machine: Any = partial(AnyOrder, bench)
    steady = settings(
        max_examples=40,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=steady)
