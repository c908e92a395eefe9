"""Which server role takes which message, by protocol version.

Another protocol version is another entry here beside the first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from onboarding.protocol import di_server, to0_rendezvous, to1_rendezvous, to2_owner
from onboarding.protocol.step import ProtocolVersion, State, Step
from onboarding.wire.message import MsgType


@dataclass(frozen=True, slots=True)
class ServerRole:
    """One protocol as its server runs it.

    ``opening`` starts a new run whatever token comes with it. The types of state
    and Env are those of the role's own ``step``.
    """

    name: str
    opening: MsgType
    messages: frozenset[MsgType]
    step: Callable[[Any, MsgType, bytes, Any], Step]
    decode_state: Callable[[bytes], State]


DI = ServerRole(
    "DI",
    MsgType.DI_APP_START,
    frozenset({MsgType.DI_APP_START, MsgType.DI_SET_HMAC}),
    di_server.step,
    di_server.decode_state,
)
TO0 = ServerRole(
    "TO0",
    MsgType.TO0_HELLO,
    frozenset({MsgType.TO0_HELLO, MsgType.TO0_OWNER_SIGN}),
    to0_rendezvous.step,
    to0_rendezvous.decode_state,
)
TO1 = ServerRole(
    "TO1",
    MsgType.TO1_HELLO_RV,
    frozenset({MsgType.TO1_HELLO_RV, MsgType.TO1_PROVE_TO_RV}),
    to1_rendezvous.step,
    to1_rendezvous.decode_state,
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
)

ROLES: Mapping[ProtocolVersion, tuple[ServerRole, ...]] = {
    ProtocolVersion.FDO_1_1: (DI, TO0, TO1, TO2),
}
