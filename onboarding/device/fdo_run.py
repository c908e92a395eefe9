"""One FDO run from the device's side: messages out, answers in, until it is over."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from attestation.errors import AttestationError
from hw.errors import HwError
from onboarding.device.errors import DeviceError
from onboarding.device.http import FdoChannel
from onboarding.protocol.errors import PeerFailed, ProtocolError, error_message
from onboarding.protocol.step import Finished, Send
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import VoucherError

ResultT = TypeVar("ResultT")

# What a role may raise on an answer it does not accept: the peer is told of each.
REFUSALS = (ProtocolError, VoucherError, AttestationError, HwError, DeviceError)


class Role(Protocol[ResultT]):
    """A device's role in DI, TO1 or TO2, as ``onboarding.protocol`` has it."""

    def start(self) -> Send:
        """Return the first message."""

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[ResultT]:
        """Take an answer; return the next message, or the result."""


def drive(
    channel: FdoChannel,
    role: Role[ResultT],
    before_sending: Callable[[MsgType], None] = lambda _kind: None,
) -> ResultT:
    """Run ``role`` to its end and return its result.

    Args:
        before_sending: Called with the type of each message that is about to leave.

    Raises:
        PeerFailed: The other side ended the run with an error message.
        Unreachable: It is not there, or answers with what FDO does not know.
        ProtocolError, VoucherError: It is not to be trusted, and has been told that
            the run is over.
    """
    move = role.start()
    while True:
        before_sending(move.type)
        kind, body = channel.exchange(move.type, move.body)
        try:
            answer = role.receive(kind, body)
        except PeerFailed:
            raise
        except REFUSALS as error:
            channel.report(error_message(error, int(kind), int(time.time())))
            raise
        if isinstance(answer, Finished):
            return answer.result
        move = answer
