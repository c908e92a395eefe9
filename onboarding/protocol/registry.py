"""Which server role takes which message, by protocol version.

Another protocol version is another entry here beside the first: it brings its own
message types, steps and states, and nothing of the first is asked or changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from onboarding.protocol import di_server, to0_rendezvous, to1_rendezvous, to2_owner
from onboarding.protocol.step import ProtocolVersion, State, Step
from onboarding.protocol.subjects import NOBODY, Subject, claimed_subject
from onboarding.wire.message import MsgType


@dataclass(frozen=True, slots=True)
class ServerRole:
    """One protocol as its server runs it.

    ``opening`` starts a new run whatever token comes with it. Message types are
    those of ``version``'s own registry. The types of state and Env are those of the
    role's own ``step``. ``claimed`` reads whom a message names, for traces alone.
    ``proof`` is the message by which a peer proves itself, which it may try once.
    """

    name: str
    opening: IntEnum
    messages: frozenset[IntEnum]
    step: Callable[[Any, Any, bytes, Any], Step]
    decode_state: Callable[[bytes], State]
    version: int = ProtocolVersion.FDO_1_1
    claimed: Callable[[Any, bytes], Subject] = lambda _kind, _body: NOBODY
    proof: IntEnum | None = None

    @property
    def scope(self) -> str:
        """What tokens are bound to: those of one version are none of another."""
        return f"{self.name}/{self.version}"


DI = ServerRole(
    "DI",
    MsgType.DI_APP_START,
    frozenset({MsgType.DI_APP_START, MsgType.DI_SET_HMAC}),
    di_server.step,
    di_server.decode_state,
    claimed=claimed_subject,
)
TO0 = ServerRole(
    "TO0",
    MsgType.TO0_HELLO,
    frozenset({MsgType.TO0_HELLO, MsgType.TO0_OWNER_SIGN}),
    to0_rendezvous.step,
    to0_rendezvous.decode_state,
    claimed=claimed_subject,
    proof=MsgType.TO0_OWNER_SIGN,
)
TO1 = ServerRole(
    "TO1",
    MsgType.TO1_HELLO_RV,
    frozenset({MsgType.TO1_HELLO_RV, MsgType.TO1_PROVE_TO_RV}),
    to1_rendezvous.step,
    to1_rendezvous.decode_state,
    claimed=claimed_subject,
    proof=MsgType.TO1_PROVE_TO_RV,
)
TO2 = ServerRole(
    "TO2",
    MsgType.TO2_HELLO_DEVICE,
    frozenset(
        {
            MsgType.TO2_HELLO_DEVICE,
            MsgType.TO2_GET_OV_NEXT_ENTRY,
            MsgType.TO2_PROVE_DEVICE,
            MsgType.TO2_DEVICE_SERVICE_INFO_READY,
            MsgType.TO2_DEVICE_SERVICE_INFO,
            MsgType.TO2_DONE,
        }
    ),
    to2_owner.step,
    to2_owner.decode_state,
    claimed=claimed_subject,
    proof=MsgType.TO2_PROVE_DEVICE,
)

ROLES: Mapping[int, tuple[ServerRole, ...]] = {
    ProtocolVersion.FDO_1_1: (DI, TO0, TO1, TO2),
}
