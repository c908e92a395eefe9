"""One FDO run from the device's side: messages out, answers in, until it is over."""

import time
from collections.abc import Callable
from typing import TypeVar

from attestation.errors import AttestationError
from hw.errors import HwError
from onboarding.device.errors import DeviceError, Garbled, Unreachable
from onboarding.device.http import FdoChannel
from onboarding.protocol import clients
from onboarding.protocol.clients import Role
from onboarding.protocol.errors import ProtocolError
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


def drive(
    channel: FdoChannel,
    role: Role[ResultT],
    before_sending: Callable[[MsgType], None] = lambda _kind: None,
) -> ResultT:
    """Run ``role``, of DI, TO1 or TO2, to its end and return its result.

    Whatever goes wrong on this side is reported to the other.

    Args:
        before_sending: Called with the type of each message that is about to leave.

    Raises:
        PeerFailed: The other side ended the run with an error message.
        Unreachable: It is not there, or answers with what FDO does not know.
        ProtocolError, VoucherError: It is not to be trusted.
        AttestationError, HwError, DeviceError, OSError: The device could not go on.
    """
    return clients.drive(channel, role, REFUSALS, _lost, time.time, before_sending)


def _lost(error: Exception) -> bool:
    """Whether the other side is not there to be told."""
    return isinstance(error, Unreachable) and not isinstance(error, Garbled)
