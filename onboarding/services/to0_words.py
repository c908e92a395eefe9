"""What a rendezvous server's refusal means for an owner, in words."""

from collections.abc import Mapping

from onboarding.protocol.errors import PeerFailed
from onboarding.wire.message import ErrorCode

_MEANING: Mapping[int, str] = {
    ErrorCode.INVALID_JWT_TOKEN: "it lost our session: its replicas or a proxy are at"
    " fault",
    ErrorCode.INVALID_OWNERSHIP_VOUCHER: "it does not take this voucher: it does not"
    " trust the manufacturer or this owner, the owner's quota there is used up, or"
    " somebody later in the chain is registered",
    ErrorCode.INVALID_OWNER_SIGN_BODY: "it finds another owner at the end of the"
    " voucher: import the newest one",
    ErrorCode.INVALID_IP_ADDRESS: "it does not take our TO2 address",
    ErrorCode.INVALID_GUID: "it does not take the voucher's GUID",
    ErrorCode.MESSAGE_BODY_ERROR: "it cannot read our message",
    ErrorCode.INVALID_MESSAGE_ERROR: "it refuses what our message says",
    ErrorCode.INTERNAL_SERVER_ERROR: "it failed by itself: its log knows more",
}


def refusal_told(error: Exception) -> str:
    """Return what went wrong; a peer's bare code is explained."""
    if not isinstance(error, PeerFailed):
        return str(error) or type(error).__name__
    meaning = _MEANING.get(error.message.code)
    return str(error) if meaning is None else f"{error}; {meaning}"
