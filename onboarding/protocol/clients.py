"""What every client role does with an answer before it looks inside."""

from onboarding.protocol.errors import PeerFailed, UnexpectedMessage
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType


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
