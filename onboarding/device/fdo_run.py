"""One FDO run from the device's side: messages out, answers in, until it is over."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from attestation.errors import AttestationError
from hw.errors import HwError
from onboarding.device.errors import DeviceError, Garbled, Unreachable
from onboarding.device.http import FdoChannel
from onboarding.protocol.errors import PeerFailed, ProtocolError, error_message
from onboarding.protocol.step import Finished, Send
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import VoucherError

ResultT = TypeVar("ResultT")

# What a run may end with; the peer is told of each that it cannot know of.
REFUSALS = (
    ProtocolError,
    VoucherError,
    AttestationError,
    HwError,
    DeviceError,
    OSError,
)


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

    Whatever goes wrong on this side is reported to the other, which learns a code and
    whose answer to that does not matter. Source: FDO 1.1, section 5.1.1.

    Args:
        before_sending: Called with the type of each message that is about to leave.

    Raises:
        PeerFailed: The other side ended the run with an error message.
        Unreachable: It is not there, or answers with what FDO does not know.
        ProtocolError, VoucherError: It is not to be trusted.
        AttestationError, HwError, DeviceError, OSError: The device could not go on.
    """
    received = 0  # the type of the last message
    try:
        move = role.start()
        while True:
            before_sending(move.type)
            kind, body = channel.exchange(move.type, move.body)
            received = int(kind)
            answer = role.receive(kind, body)
            if isinstance(answer, Finished):
                return answer.result
            move = answer
    except REFUSALS as error:
        if received and not _needless(error):
            channel.report(error_message(error, received, int(time.time())))
        raise


def _needless(error: Exception) -> bool:
    """Whether the other side knows, or is not there to be told."""
    lost = isinstance(error, Unreachable) and not isinstance(error, Garbled)
    return lost or isinstance(error, PeerFailed)
