"""A role with a toy protocol at two replicas that share their runs and traces."""

from dataclasses import dataclass
from typing import ClassVar

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


def toy_bench(database: Database) -> Bench:
    """Two replicas on one migrated database."""
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
    return site
