"""Message 255, which ends a run. Source: FDO 1.1, section 5.1.1."""

from dataclasses import dataclass
from typing import ClassVar, Self

from cbor2 import CBORTag

from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

_DATE, _EPOCH = 0, 1
_MAX_SENT = 65535  # characters: some peers send all that their logs have
_MAX_TEXT = 2048  # that are kept


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """``[EMErrorCode, EMPrevMsgID, EMErrorStr, EMErrorTs, EMErrorCID]``.

    ``code`` may be one we do not know; of a long ``text`` the beginning is kept.
    ``timestamp`` is seconds since 1970, None when absent or written as text;
    ``correlation`` is whatever number the peer gave, for its own log.
    """

    TYPE: ClassVar = MsgType.ERROR
    code: int
    previous: int
    text: str
    timestamp: int | None
    correlation: int | None

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError on any shape that no peer writes."""
        code, previous, text, timestamp, correlation = cbor.array(cbor.decode(data), 5)
        return cls(
            cbor.uint(code, 16),
            cbor.uint(previous, 8),
            cbor.tstr(text, limit=_MAX_SENT)[:_MAX_TEXT],
            _timestamp(timestamp),
            _correlation(correlation),
        )

    def encode(self) -> bytes:
        return cbor.encode(
            [self.code, self.previous, self.text, self.timestamp, self.correlation]
        )


def _timestamp(item: object) -> int | None:
    """Null, a bare number, or a tagged date or number."""
    if item is None:
        return None
    if isinstance(item, CBORTag):
        if item.tag == _DATE:
            cbor.tstr(item.value, limit=64)
            return None
        if item.tag != _EPOCH:
            raise MalformedError(f"tag {item.tag} where a time belongs")
        item = item.value
    return cbor.uint(item, 64)


def _correlation(item: object) -> int | None:
    """Null or a number; peers of old drafts send a byte string."""
    if item is None or isinstance(item, bytes):
        return None
    return cbor.uint(item, 64)
