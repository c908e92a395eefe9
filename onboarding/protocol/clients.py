"""What every client role does with an answer before it looks inside, and its loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from onboarding.protocol.errors import PeerFailed, UnexpectedMessage, error_message
from onboarding.protocol.step import Finished, Send
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import MalformedError

T = TypeVar("T")

_TYPES = {str(int(kind)): kind for kind in MsgType}


class Role(Protocol[T]):
    """A client's role in one run: pure."""

    def start(self) -> Send:
        """Return the first message."""

    def receive(self, msg: MsgType, body: bytes) -> Send | Finished[T]:
        """Take an answer; return the next message, or the result."""


class Channel(Protocol):
    """The way to one server, for one run."""

    def exchange(self, kind: MsgType, body: bytes) -> tuple[MsgType, bytes]:
        """Send message ``kind``; return the type and body of the answer."""

    def report(self, body: bytes) -> None:
        """Send message 255; whether it arrives, and what is answered, is all one."""


def expect(wanted: MsgType, got: MsgType, body: bytes) -> bytes:
    """Return ``body`` if the answer is of the type wanted.

    Raises:
        PeerFailed: The peer answered with message 255.
        MalformedError: It did, and that cannot be read either.
        UnexpectedMessage: Any other type.
    """
    if got is MsgType.ERROR:
        raise PeerFailed(ErrorMessage.from_cbor(body))
    if got is not wanted:
        raise UnexpectedMessage(f"{got.name} where {wanted.name} belongs")
    return body


def answer_type(status: int, named: str, body: bytes) -> MsgType:
    """Return the type of an HTTP answer.

    Servers differ in the status and the header of an error; its body tells it.

    Args:
        status: Of HTTP; all but 200 are errors.
        named: The header Message-Type, "" without one.

    Raises:
        MalformedError: It is nothing that FDO knows.

    Source: FDO 1.1, section 4.3.
    """
    try:
        if status != 200 or named == str(int(MsgType.ERROR)):
            ErrorMessage.from_cbor(body)
            return MsgType.ERROR
        return _TYPES[named]
    except (MalformedError, KeyError) as error:
        raise MalformedError(f"HTTP {status} and nothing that FDO knows") from error


def drive(
    channel: Channel,
    role: Role[T],
    told: tuple[type[Exception], ...],
    lost: Callable[[Exception], bool],
    now: Callable[[], float],
    before_sending: Callable[[MsgType], None] = lambda _kind: None,
) -> T:
    """Run ``role`` to its end and return its result; what it raises comes out.

    Whatever goes wrong on this side is reported to the other, which learns a code and
    whose answer to that does not matter. Source: FDO 1.1, section 5.1.1.

    Args:
        told: What the other side is told of; it knows of a PeerFailed.
        lost: Whether an error of ``channel`` says that nobody is there to be told.
        now: Seconds since 1970, UTC.
        before_sending: Called with the type of each message that is about to leave.
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
    except told as error:
        if received and not isinstance(error, PeerFailed) and not lost(error):
            channel.report(error_message(error, received, int(now())))
        raise
