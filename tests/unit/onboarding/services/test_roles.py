"""Runs between messages: what is stored, what a copy of a message gets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from onboarding.protocol import errors
from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import Credential, Effect, State, Step, TakeOwnership
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.roles import FdoRole
from onboarding.services.tracing import Tracer
from onboarding.store.database import Database
from onboarding.store.runs import RunStore, run_store
from onboarding.store.server_keys import ServerKeys
from onboarding.store.traces import Trace, TraceStore
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.types import Guid

NOW = 1_800_000_000
GUID = Guid(bytes(16))
TAKEN = TakeOwnership(GUID, Credential.REUSED, None, {}, ())
HELLO, ENTRY, PROVE, READY, INFO, DONE = (
    MsgType.TO2_HELLO_DEVICE,
    MsgType.TO2_GET_OV_NEXT_ENTRY,
    MsgType.TO2_PROVE_DEVICE,
    MsgType.TO2_DEVICE_SERVICE_INFO_READY,
    MsgType.TO2_DEVICE_SERVICE_INFO,
    MsgType.TO2_DONE,
)


@dataclass(frozen=True)
class Unproven:
    sealed: ClassVar[bool] = True
    guid: ClassVar[Guid] = GUID

    def encode(self) -> bytes:
        return b"u"


@dataclass(frozen=True)
class Proven:
    sealed: ClassVar[bool] = False
    guid: ClassVar[Guid] = GUID
    count: int = 0

    def encode(self) -> bytes:
        return b"p" + bytes([self.count])


def decode(data: bytes) -> State:
    return Unproven() if data == b"u" else Proven(data[1])


def step(state: State | None, kind: MsgType, body: bytes, env: None) -> Step:
    """A run of the shape of TO2, with none of its content."""
    reply = MsgType(kind + 1)
    match state, kind:
        case None, MsgType.TO2_HELLO_DEVICE:
            return Step(Unproven(), reply, b"")
        case Unproven(), MsgType.TO2_GET_OV_NEXT_ENTRY:
            return Step(state, reply, body)
        case Unproven(), MsgType.TO2_PROVE_DEVICE if body == b"proof":
            return Step(Proven(), reply, b"")
        case Proven(count), MsgType.TO2_DEVICE_SERVICE_INFO_READY if count == 0:
            return Step(Proven(count + 1), reply, bytes([count]))
        case Proven(count), MsgType.TO2_DEVICE_SERVICE_INFO if count:
            return Step(Proven(count + 1), reply, bytes([count]))
        case Proven(), MsgType.TO2_DONE if body == b"bad":
            raise errors.MessageRefused("the nonce is another")
        case Proven(count), MsgType.TO2_DONE if count:
            return Step(None, reply, b"", (TAKEN,))
    raise errors.UnexpectedMessage(f"{kind.name} does not belong here")


@dataclass
class Bench:
    """Two replicas over one database, and what they committed."""

    first: FdoRole
    second: FdoRole
    runs: RunStore
    traces: TraceStore
    tracers: list[Tracer]
    committed: list[Effect]
    failures: list[str]
    now: int = NOW
    sold: bool = False

    def start(self) -> str:
        reply = self.first.handle(HELLO, b"", None)
        assert reply.authorization is not None
        return reply.authorization

    def trace(self) -> Trace:
        """What both replicas wrote of the one run there was."""
        for tracer in self.tracers:
            tracer.flush()
        (found,) = self.traces.page().items
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    database.migrate()
    runs = run_store(database)
    traces = TraceStore(database)
    tracers: list[Tracer] = []
    committed: list[Effect] = []
    failures: list[str] = []

    def commit(effect: Effect, _now: int, _run: bytes) -> None:
        if site.sold:
            raise errors.MessageRefused("it was sold meanwhile")
        committed.append(effect)

    def replica() -> FdoRole:
        messages = frozenset({HELLO, ENTRY, PROVE, READY, INFO, DONE})
        role = ProtocolRole(
            ServerRole("toy", HELLO, messages, step, decode),
            600,
            lambda now, arrival: None,
            commit,
            lambda state, where, error, now: failures.append(where),
        )
        keys = ServerKeys(database, b"k" * 32)
        tracers.append(Tracer(traces))
        return FdoRole([role], keys, runs, tracers[-1], lambda: site.now)

    site = Bench(replica(), replica(), runs, traces, tracers, committed, failures)
    yield site
    database.close()


def test_a_run_goes_on_at_any_replica(bench: Bench) -> None:
    token = bench.start()
    bench.second.handle(ENTRY, b"0", token)
    bench.first.handle(PROVE, b"proof", token)
    bench.second.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_replica_that_was_left_behind_reads_where_the_run_stands(
    bench: Bench,
) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    turns = (bench.first, bench.second, bench.second, bench.first, bench.second)
    answers = [turn.handle(INFO, b"", token).body for turn in turns]
    assert answers == [bytes([number]) for number in range(1, 6)]
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_replica_that_was_left_behind_fails_no_run_that_another_moved(
    bench: Bench,
) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.second.handle(READY, b"", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]
    assert not bench.failures


def test_a_run_that_ended_elsewhere_is_not_ended_again(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    bench.second.handle(DONE, b"", token)
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_replica_does_not_forget_that_another_was_given_the_proof(
    bench: Bench,
) -> None:
    token = bench.start()
    assert bench.first.handle(ENTRY, b"0", token).body == b"0"
    bench.second.handle(PROVE, b"proof", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(ENTRY, b"0", token)
    with pytest.raises(errors.ProtocolError):
        bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    assert not bench.failures


def test_a_run_that_was_opened_here_ends_with_its_token(bench: Bench) -> None:
    token = bench.start()
    bench.now += 599
    assert bench.first.handle(ENTRY, b"0", token).body == b"0"
    bench.now += 1
    with pytest.raises(errors.TokenRefused):
        bench.first.handle(ENTRY, b"0", token)


def test_the_token_is_minted_once(bench: Bench) -> None:
    token = bench.start()
    for kind, body in ((ENTRY, b"0"), (PROVE, b"proof"), (READY, b""), (DONE, b"")):
        assert bench.first.handle(kind, body, token).authorization is None


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}", " {} "])
def test_the_token_is_known_with_and_without_its_scheme(
    bench: Bench, form: str
) -> None:
    token = bench.start().removeprefix("Bearer ")
    assert bench.first.handle(ENTRY, b"0", form.format(token)).body == b"0"


def test_nothing_is_stored_before_the_proof(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(ENTRY, b"0", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(PROVE, b"no proof", token)
    assert bench.runs.live(NOW) == 0
    bench.first.handle(PROVE, b"proof", token)
    assert bench.runs.live(NOW) == 1


def test_an_entry_may_be_asked_for_again(bench: Bench) -> None:
    token = bench.start()
    assert bench.first.handle(ENTRY, b"0", token) == bench.second.handle(
        ENTRY, b"0", token
    )


@pytest.mark.parametrize("again", [PROVE, READY, DONE])
def test_a_copy_of_a_message_is_refused(bench: Bench, again: MsgType) -> None:
    token = bench.start()
    for kind, body in ((PROVE, b"proof"), (READY, b""), (DONE, b"")):
        bench.first.handle(kind, body, token)
        if kind is again:
            break
    with pytest.raises(errors.MessageRefused):
        bench.second.handle(again, b"proof" if again is PROVE else b"", token)
    assert len(bench.committed) == (1 if again is DONE else 0)


def test_a_copy_of_a_message_does_not_end_the_run(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_message_that_is_wrong_in_itself_ends_the_run(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    with pytest.raises(errors.MessageRefused, match="nonce"):
        bench.first.handle(DONE, b"bad", token)
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(DONE, b"", token)
    assert not bench.committed
    assert bench.failures == ["message 70"]


def test_an_error_of_the_peer_ends_its_run(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.second.peer_error(b"whatever", token)
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(READY, b"", token)
    assert bench.failures == ["the device reported an error"]


def test_an_error_without_a_token_changes_nothing(bench: Bench) -> None:
    bench.first.peer_error(b"", None)
    bench.first.peer_error(b"", "Bearer nonsense")
    assert not bench.failures


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer abc", "x" * 9000, "ü"]
)
def test_a_token_that_is_not_ours_is_refused(
    bench: Bench, authorization: str | None
) -> None:
    with pytest.raises(errors.TokenRefused):
        bench.first.handle(ENTRY, b"0", authorization)


def test_the_opening_message_ignores_what_token_it_brings(bench: Bench) -> None:
    reply = bench.first.handle(HELLO, b"", "Bearer of an earlier run")
    assert reply.authorization is not None


def test_a_message_of_another_service_is_refused(bench: Bench) -> None:
    with pytest.raises(errors.UnexpectedMessage, match="no message 30"):
        bench.first.handle(30, b"", None)


def test_every_message_that_was_taken_is_in_the_trace_of_its_run(bench: Bench) -> None:
    token = bench.start()
    bench.second.handle(ENTRY, b"0", token)
    bench.first.handle(PROVE, b"proof", token)
    bench.second.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    found = bench.trace()
    assert (found.protocol, found.guid, found.done) == ("toy", GUID.raw, True)
    assert (found.messages, found.passed, found.refused) == (5, 70, None)


@pytest.mark.parametrize("warm", [True, False])
def test_a_refused_message_is_in_the_trace_once_and_says_why(
    bench: Bench, *, warm: bool
) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    with pytest.raises(errors.MessageRefused):
        (bench.first if warm else bench.second).handle(DONE, b"bad", token)
    found = bench.trace()
    assert (found.passed, found.refused, found.messages) == (66, 70, 4)
    assert found.error == "the nonce is another"


@pytest.mark.parametrize("warm", [True, False])
def test_a_proof_that_is_refused_is_in_the_trace_once(
    bench: Bench, *, warm: bool
) -> None:
    token = bench.start()
    with pytest.raises(errors.UnexpectedMessage):
        (bench.first if warm else bench.second).handle(PROVE, b"forged", token)
    found = bench.trace()
    assert (found.passed, found.refused, found.messages) == (60, 64, 2)


def test_a_commit_that_is_refused_is_in_the_trace(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    bench.sold = True
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(DONE, b"", token)
    found = bench.trace()
    assert (found.refused, found.error) == (70, "it was sold meanwhile")


def test_what_a_peer_reports_is_in_the_trace_as_its_word(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    said = ErrorMessage(6, 65, "no such owner", NOW, 1).encode()
    bench.first.peer_error(said, token)
    found = bench.trace()
    assert (found.by_peer, found.refused, found.code) == (True, 65, 6)
    assert found.error == "no such owner"
