"""What ends a protocol run, and the code the peer is told.

Source: FDO 1.1, section 5.1.1. The peer learns a code and a text that is the same
for all causes of it, but that a module that ended the run is named; the exception's
own words are for our log.
"""

from collections.abc import Mapping
from typing import ClassVar

from onboarding.protocol.modules import ModuleResult
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import ErrorCode
from ownership_vouchers.errors import (
    CheckFailed,
    DecryptError,
    MalformedError,
    VoucherError,
)


class ProtocolError(Exception):
    """Root of everything this package raises; ``code`` is what the peer gets."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_SERVER_ERROR


class TokenRefused(ProtocolError):
    """No session token, or one that is unknown, expired or used up."""

    code = ErrorCode.INVALID_JWT_TOKEN


class VoucherRefused(ProtocolError):
    """The ownership voucher does not hold, or must not be used here."""

    code = ErrorCode.INVALID_OWNERSHIP_VOUCHER


class OwnerSignRefused(ProtocolError):
    """The owner's signature over its addresses does not verify."""

    code = ErrorCode.INVALID_OWNER_SIGN_BODY


class AddressRefused(ProtocolError):
    """An IP address in the owner's addresses is none."""

    code = ErrorCode.INVALID_IP_ADDRESS


class GuidRefused(ProtocolError):
    """What the voucher has for a GUID is none."""

    code = ErrorCode.INVALID_GUID


class NotFound(ProtocolError):
    """Nothing is known here of the GUID."""

    code = ErrorCode.RESOURCE_NOT_FOUND


class NotServed(ProtocolError):
    """It is registered here, and the operator will not have it given out."""

    code = ErrorCode.RESOURCE_NOT_FOUND


class MessageRefused(ProtocolError):
    """A well-formed message with a wrong nonce, signature, index or hash."""

    code = ErrorCode.INVALID_MESSAGE_ERROR


class UnexpectedMessage(MessageRefused):
    """A message that has no place at this point of the run."""


class Unsupported(MessageRefused):
    """A suite, key or form of message that we do not speak."""


class DeviceUnsupported(ProtocolError):
    """A device of a kind that this factory cannot make, whatever it sends."""

    told = "devices of this kind are not supported"


class StationRefused(TokenRefused):
    """Who speaks for a production line did not show that it may."""

    told = "the production line's credential is missing or wrong"


class ReuseRefused(ProtocolError):
    """The owner wants to leave the credential as it is, and we do not."""

    code = ErrorCode.CRED_REUSE_ERROR


class ModuleFailed(MessageRefused):
    """A ServiceInfo module cannot go on; the run can, unless it is required.

    ``facts`` are as those of a ModuleResult.
    """

    def __init__(self, detail: str, facts: Mapping[str, object] = {}) -> None:
        super().__init__(detail)
        self.facts = dict(facts)


class RequiredModuleFailed(MessageRefused):
    """A ServiceInfo module that the owner insists on did not succeed.

    ``results`` is for the operator, in full, of every module of the run; the peer
    learns the module's name, and whether it could be run, was turned down or failed.
    """

    def __init__(self, failed: ModuleResult, results: tuple[ModuleResult, ...]) -> None:
        super().__init__(f"{failed.name}: {failed.detail}")
        self.failed = failed
        self.results = results

    @property
    def told(self) -> str:
        """What the device is told: which module, and how far it came."""
        how = "was turned down" if self.failed.offered else "could not be run"
        how = "failed" if self.failed.accepted else how
        return f"required ServiceInfo module {self.failed.name} {how}"


class ModuleStopped(ProtocolError):
    """A ServiceInfo module on the device failed, and with it the run.

    The owner learns which one; why is for who looks after the device.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name

    @property
    def told(self) -> str:
        return f"ServiceInfo module {self.name} failed"


class PeerFailed(ProtocolError):
    """The peer ended the run with a message 255."""

    def __init__(self, message: ErrorMessage) -> None:
        super().__init__(
            f"the peer answered error {message.code} to message"
            f" {message.previous}: {message.text!r}"
        )
        self.message = message


_TEXTS = {
    ErrorCode.INVALID_JWT_TOKEN: "session token is missing, unknown or used up",
    ErrorCode.INVALID_OWNERSHIP_VOUCHER: "ownership voucher refused",
    ErrorCode.INVALID_OWNER_SIGN_BODY: "owner signature refused",
    ErrorCode.INVALID_IP_ADDRESS: "IP address refused",
    ErrorCode.INVALID_GUID: "GUID refused",
    ErrorCode.RESOURCE_NOT_FOUND: "nothing is known of this GUID",
    ErrorCode.MESSAGE_BODY_ERROR: "message cannot be read",
    ErrorCode.INVALID_MESSAGE_ERROR: "message refused",
    ErrorCode.CRED_REUSE_ERROR: "credential reuse refused",
    ErrorCode.INTERNAL_SERVER_ERROR: "internal error",
}


def error_code(error: Exception) -> ErrorCode:
    """The one place where exceptions become FDO error codes."""
    match error:
        case ProtocolError():
            return error.code
        case MalformedError() | DecryptError():
            return ErrorCode.MESSAGE_BODY_ERROR
        case CheckFailed():
            return ErrorCode.INVALID_OWNERSHIP_VOUCHER
        case VoucherError():
            return ErrorCode.INVALID_MESSAGE_ERROR
        case _:
            return ErrorCode.INTERNAL_SERVER_ERROR


def error_message(
    error: Exception, previous: int, now: int, correlation: int = 0
) -> bytes:
    """Return the body of message 255 for ``error``.

    Args:
        previous: The type of the message that could not be answered.
        now: Seconds since 1970, UTC.
        correlation: The number under which our log has the cause.
    """
    code = error_code(error)
    kept = previous if 0 <= previous < 256 else 0
    text: str = getattr(error, "told", _TEXTS[code])
    return ErrorMessage(code, kept, text, now, correlation).encode()
