"""A client role and a server role joined in memory, without a network.

The server's state goes through its bytes between any two messages, as it does
in a token or a row. Messages may be altered on their way, tunnelled ones inside
the tunnel: the tests hold both roles against every such change.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import Effect, Finished, Send, Step
from onboarding.protocol.to2_states import AwaitingReady, Serving
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.message import MsgType

ResultT = TypeVar("ResultT")
Alteration = Callable[[bytes], bytes]
_TUNNEL = range(MsgType.TO2_SETUP_DEVICE, MsgType.TO2_DONE2 + 1)


@dataclass(frozen=True)
class Passed:
    """One message as it arrived; ``plain`` is what was in the tunnel."""

    type: MsgType
    body: bytes
    plain: bytes


@dataclass
class WirePair(Generic[ResultT]):
    """Runs ``client`` against ``role``.

    Args:
        alter: Changes the message of a type, every time it passes; inside the
            tunnel for 65 to 71.
        alter_wire: As ``alter``, on the body as it is sent.
        random: Draws the IVs of what is sealed again after a change.
    """

    client: Any
    role: ServerRole
    env: object
    alter: Mapping[MsgType, Alteration] = field(default_factory=dict)
    alter_wire: Mapping[MsgType, Alteration] = field(default_factory=dict)
    state: bytes | None = None
    tunnel: Tunnel | None = None
    effects: list[Effect] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    random: Callable[[int], bytes] = secrets.token_bytes

    def run(self) -> ResultT:
        """Run to the end; whatever a role raises comes out here."""
        move: Send | Finished[ResultT] = self.client.start()
        while isinstance(move, Send):
            move = self.client.receive(*self.serve(move.type, move.body))
        return move.result

    def serve(self, msg: MsgType, body: bytes) -> tuple[MsgType, bytes]:
        """Hand the server one message and return its answer."""
        body = self._pass(msg, body)
        state = None if self.state is None else self.role.decode_state(self.state)
        step: Step = self.role.step(state, msg, body, self.env)
        self.state = None if step.state is None else step.state.encode()
        if isinstance(step.state, AwaitingReady | Serving):
            self.tunnel = step.state.session.tunnel
        self.effects.extend(step.effects)
        kind = MsgType(step.reply_type)
        return kind, self._pass(kind, step.reply)

    def _pass(self, msg: MsgType, body: bytes) -> bytes:
        plain = body
        if msg in _TUNNEL and self.tunnel is not None:
            plain = self.tunnel.open(body)
            if msg in self.alter:
                plain = self.alter[msg](plain)
                body = self.tunnel.seal(plain, self.random, len(self.passed))
        elif msg in self.alter:
            body = plain = self.alter[msg](body)
        if msg in self.alter_wire:
            body = self.alter_wire[msg](body)
        self.passed.append(Passed(msg, body, plain))
        return body

    @property
    def types(self) -> list[int]:
        """The types of all messages that passed, in order."""
        return [int(one.type) for one in self.passed]

    def plains(self, msg: MsgType) -> list[bytes]:
        """The contents of all messages of a type that passed."""
        return [one.plain for one in self.passed if one.type is msg]
