"""FDO messages over HTTP: who takes one, and what the answer says.

No CBOR, no crypto, no SQL here, and no connection either: ``transport`` carries
requests here over ASGI, ``fdo_protocol`` those that came whole, without it. This
module holds the one broad ``except``: whatever a message causes, the peer gets an
ErrorMessage.

Source: FDO 1.1, section 4.3 (HTTP binding).
"""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from onboarding.protocol.errors import (
    ProtocolError,
    Unsupported,
    error_code,
    error_message,
)
from onboarding.services import logs
from onboarding.services.outages import tell
from onboarding.services.rates import Buckets
from onboarding.services.sources import bucket_of
from onboarding.wire.message import MsgType
from onboarding.wire.to0 import MAX_OWNER_SIGN
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.values import lean

MAX_BODY = 65535
_LIMITS = {int(MsgType.TO0_OWNER_SIGN): MAX_OWNER_SIGN}  # of what may be longer
PREFIXES = ("/fdo/", "/line/")
_HEAVY = frozenset({int(MsgType.TO0_OWNER_SIGN)})  # verifies a whole voucher
_LINE = re.compile(rb"/line/([a-z0-9][a-z0-9-]{0,63})(/fdo/.*)")
_MESSAGE = re.compile(rb"/fdo/(0|[1-9][0-9]{0,4})/msg/(0|[1-9][0-9]{0,2})")
_LINE_KEY = b"vouchgate-line-key"
_CBOR = (b"content-type", b"application/cbor")
_PROBLEM = (b"content-type", b"application/problem+json")
_ERROR = (b"message-type", b"255")
_CLOSE = (b"connection", b"close")
_TYPES = [(b"message-type", str(number).encode()) for number in range(256)]

Headers = Iterable[tuple[bytes, bytes]]

log = logging.getLogger(__name__)


@lean
class FdoResponse:
    """One answer; ``authorization`` is there in a run's first, where it is made."""

    message_type: int
    body: bytes = field(repr=False)
    authorization: str | None = field(default=None, repr=False)


@lean
class Arrival:
    """The way by which a message came, none of which its peer has proved.

    ``line`` is the production line in the path, None at the root; ``key`` what was
    sent as that line's; ``address`` where the connection is from.
    """

    line: str | None = None
    key: str | None = field(default=None, repr=False)
    address: str = ""


DIRECT = Arrival()


class MessageHandler(Protocol):
    """What takes one protocol version's messages. Synchronous; safe in any thread."""

    def handle(
        self,
        number: int,
        body: bytes,
        authorization: str | None,
        arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        """Answer one message, or raise what `error_message` can map."""

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        """Take note that the peer ended its run with an ErrorMessage."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who takes a message of that number.

    ``apart``: in a thread, since it may hold up whoever waits for it. ``limit`` is the
    most bytes that it may have.
    """

    handler: MessageHandler
    number: int
    apart: bool
    line: str | None = None

    @property
    def limit(self) -> int:
        return limit_of(self.number)


def limit_of(number: int) -> int:
    """Return how many bytes a message of that type may have."""
    return _LIMITS.get(number, MAX_BODY)


@lean
class HttpAnswer:
    """One answer as HTTP says it; ``headers`` in lower case, the length included."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return _CLOSE in self.headers


class BodyRefused(MalformedError):
    """The body is too large or too slow; the rest of it is not waited for."""


class TooOften(ProtocolError):
    """The peer's address has sent more messages than it may."""

    told = "too many messages from this address; try again later"


class FdoFront:
    """Takes each FDO message to its handler, and words what comes back.

    Args:
        handlers: By protocol version. A message of another one is refused as any
            message is, with error 101: a peer that speaks several tries its next.
        offload: Run every handler in a thread: for stores across a network, which
            would hold up the event loop.
        refused: Told the FDO error code of each refusal.
        buckets: How often an address may come; None for as often as it likes.
    """

    def __init__(
        self,
        handlers: Mapping[int, MessageHandler],
        *,
        offload: bool = False,
        refused: Callable[[str], None] | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        self._targets = {
            f"/fdo/{version}/msg/{number}".encode(): Target(
                handler, number, offload or number in _HEAVY
            )
            for version, handler in handlers.items()
            for number in range(256)
        }
        self._refused = refused or (lambda _code: None)
        self._buckets = buckets

    def find(self, path: bytes) -> Target | None:
        """Who takes what is POSTed to ``path``; None if it is no message's."""
        return self._targets.get(path) or self._elsewhere(path)

    def wait(self, address: str) -> int:
        """Count a message; return 0, or after how many seconds to come again."""
        return 0 if self._buckets is None else self._buckets.take(bucket_of(address))

    def answer(
        self, target: Target, body: bytes, headers: Headers, address: str
    ) -> HttpAnswer:
        """Take one message whose body is here; raises nothing."""
        authorization, key = _sent(headers)
        number, handler = target.number, target.handler
        try:
            if number == MsgType.ERROR:
                handler.peer_error(body, authorization)
                return _whole(200, b"", [])
            arrival = Arrival(target.line, key, address)
            reply = handler.handle(number, body, authorization, arrival)
        except Exception as error:  # noqa: BLE001 - the boundary: all become type 255
            return self.refusal(number, error, address)
        said = [_CBOR, _TYPES[reply.message_type]]
        # In each of a run's answers: one peer reads none without it. A refusal has
        # none: it ends the run, or it was none of this run's.
        token = reply.authorization or authorization
        if token is not None:
            said.append((b"authorization", token.encode("latin-1")))
        return _whole(200, reply.body, said)

    def refusal(self, number: int, error: Exception, address: str) -> HttpAnswer:
        """Word a refusal: in full for our operator, in a code for the peer."""
        code = str(int(error_code(error)))
        self._refused(code)
        correlation = secrets.randbits(32)
        known, tags = (correlation, number), logs.tags_of(error)
        if isinstance(error, ProtocolError | VoucherError):
            kind, source = f"FDO {code}", bucket_of(address)
            about = logs.refused(kind, source, **tags)
            log.info("[%08x] message %d refused: %s", *known, error, extra=about)
        else:
            tell(log, error, "[%08x] message %d failed", *known, **tags)
        body = error_message(error, number, int(time.time()), correlation)
        headers = [_CBOR, _ERROR]
        if isinstance(error, BodyRefused):
            headers.append(_CLOSE)
        return _whole(500, body, headers)

    def too_often(self, target: Target, wait: int) -> HttpAnswer:
        """Refuse before the body is read, which the connection therefore ends with."""
        self._refused(str(int(error_code(TooOften()))))
        body = error_message(TooOften(), target.number, int(time.time()))
        later = (b"retry-after", str(wait).encode())
        return _whole(500, body, [_CBOR, _ERROR, later, _CLOSE])

    def _elsewhere(self, path: bytes) -> Target | None:
        found = _LINE.fullmatch(path)
        if found is None:
            return _of_no_version(path, None)
        line = found[1].decode()
        known = self._targets.get(found[2])
        if known is None:
            return _of_no_version(found[2], line)
        return Target(known.handler, known.number, known.apart, line)


class _NoVersion:
    """Takes the messages of every version that is not spoken here."""

    def handle(
        self,
        _number: int,
        _body: bytes,
        _authorization: str | None,
        _arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        """Refuse it; the peer can read that in any version."""
        raise Unsupported("this service does not speak that protocol version")

    def peer_error(self, _body: bytes, _authorization: str | None) -> None:
        """There is no run that it could end."""


_NO_VERSION = _NoVersion()


def _of_no_version(path: bytes, line: str | None) -> Target | None:
    """Who refuses a message that we know by its path only; None if it is none."""
    found = _MESSAGE.fullmatch(path)
    if found is None or int(found[2]) > 255:
        return None
    return Target(_NO_VERSION, int(found[2]), False, line)


def problem(status: int, code: str, detail: str) -> HttpAnswer:
    """What is told to somebody who sends no FDO message at all."""
    body = (
        f'{{"type":"urn:vouchgate:problem:{code}","status":{status},'
        f'"code":"{code}","detail":"{detail}"}}'
    ).encode()
    headers = [_PROBLEM, (b"allow", b"POST")] if status == 405 else [_PROBLEM]
    return _whole(status, body, headers)


def _sent(headers: Headers) -> tuple[str | None, str | None]:
    """The token and the line's key."""
    authorization: str | None = None
    key: str | None = None
    for name, value in headers:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == _LINE_KEY:
            key = value.decode("latin-1")
    return authorization, key


def _whole(status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> HttpAnswer:
    headers.append((b"content-length", str(len(body)).encode()))
    return HttpAnswer(status, headers, body)
