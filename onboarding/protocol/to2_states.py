"""Where an owner stands in TO2 between two messages."""

from dataclasses import field
from typing import ClassVar, Self

from onboarding.protocol.ciphers import CipherSuite, known_cipher
from onboarding.protocol.exchange import Exchange
from onboarding.protocol.kex import OwnerHalf, half_from_item
from onboarding.protocol.transcript import DIGEST_SIZE, START
from onboarding.protocol.tunnel import MARK_SIZE, Tunnel
from onboarding.wire.common import nonce
from onboarding.wire.to2_secure import SetupDevicePayload
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid, Hash
from ownership_vouchers.values import lean

_OPENING, _READY, _SERVING = 0, 1, 2
_MAX_MARKS = 1 << 20  # bytes; the limit on rounds comes long before


@lean
class Opening:
    """61 was sent: the device has proved nothing yet."""

    sealed: ClassVar[bool] = True
    guid: Guid
    nonce: bytes  # NonceTO2ProveDv
    cipher: CipherSuite
    half: OwnerHalf
    message_limit: int  # bytes the device can take, as 60 says; 0: it does not say
    transcript: bytes = START  # of 60 and 61

    def noted(self, said: bytes) -> "Opening":
        """Return the state with that transcript; so do the others."""
        cipher, half, limit = self.cipher, self.half, self.message_limit
        return Opening(self.guid, self.nonce, cipher, half, limit, said)

    def encode(self) -> bytes:
        cipher, half, limit = int(self.cipher), self.half.to_item(), self.message_limit
        about = [self.guid.raw, self.nonce, cipher, half, limit, self.transcript]
        return cbor.encode([_OPENING, *about])

    @classmethod
    def from_fields(cls, fields: list[object]) -> Self:
        """Raises MalformedError."""
        guid, prove, cipher, half, limit, said = cbor.array(fields, 6)
        return cls(
            Guid(cbor.bstr(guid)),
            nonce(prove),
            known_cipher(cipher),
            half_from_item(half),
            cbor.uint(limit, 16),
            cbor.bstr(said, DIGEST_SIZE),
        )


@lean
class Session:
    """What holds from 64 to the end.

    ``offer`` is what 65 says; the new header is made of its bytes. ``reuse`` says
    whether that left everything as it was.
    """

    guid: Guid
    nonce: bytes  # NonceTO2ProveDv
    tunnel: Tunnel
    offer: SetupDevicePayload
    reuse: bool
    message_limit: int  # as in ``Opening``
    _said: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def encode(self) -> bytes:
        """Return it as CBOR, written once: it holds to the end of the run."""
        said = self._said
        if said is None:
            said = self._encoded()
            object.__setattr__(self, "_said", said)
        return said

    def _encoded(self) -> bytes:
        return cbor.encode(
            [
                self.guid.raw,
                self.nonce,
                int(self.tunnel.cipher),
                self.tunnel.key,
                self.offer.encode(),
                self.reuse,
                self.message_limit,
            ]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        fields = cbor.array(cbor.decode(data), 7)
        guid, prove, cipher, key, offer, reuse, limit = fields
        suite = known_cipher(cipher)
        return cls(
            Guid(cbor.bstr(guid)),
            nonce(prove),
            Tunnel(suite, cbor.bstr(key, suite.key_size)),
            SetupDevicePayload.from_cbor(cbor.bstr(offer)),
            cbor.boolean(reuse),
            cbor.uint(limit, 16),
        )


@lean
class AwaitingReady:
    """65 was sent: the device is proved and the tunnel is up."""

    sealed: ClassVar[bool] = False
    session: Session
    transcript: bytes = START  # up to 65

    def noted(self, said: bytes) -> "AwaitingReady":
        return AwaitingReady(self.session, said)

    @property
    def guid(self) -> Guid:
        return self.session.guid

    def encode(self) -> bytes:
        return cbor.encode([_READY, self.session.encode(), self.transcript])


@lean
class Serving:
    """67 was sent: ServiceInfo goes to and fro until ``exchange.done``, then 70.

    ``marks`` are those of each 68 that was taken, one after the other.
    """

    sealed: ClassVar[bool] = False
    session: Session
    replacement_hmac: Hash | None
    send_limit: int  # bytes of one 69
    exchange: Exchange
    marks: bytes = b""
    transcript: bytes = START  # up to the last 67 or 69

    def noted(self, said: bytes) -> "Serving":
        hmac, limit, exchange = self.replacement_hmac, self.send_limit, self.exchange
        return Serving(self.session, hmac, limit, exchange, self.marks, said)

    @property
    def next_place(self) -> int:
        """The place in the run of the next message that is sealed: see ``Tunnel``."""
        return 4 + 2 * (len(self.marks) // MARK_SIZE)

    @property
    def guid(self) -> Guid:
        return self.session.guid

    def encode(self) -> bytes:
        hmac = self.replacement_hmac
        return cbor.encode(
            [
                _SERVING,
                self.session.encode(),
                hmac and hmac.to_item(),
                self.send_limit,
                self.exchange.to_item(),
                self.marks,
                self.transcript,
            ]
        )

    @classmethod
    def from_fields(cls, fields: list[object]) -> Self:
        """Raises MalformedError."""
        session, hmac, limit, exchange, marks, said = cbor.array(fields, 6)
        return cls(
            Session.from_cbor(cbor.bstr(session)),
            None if hmac is None else Hash.from_item(hmac),
            cbor.uint(limit, 16),
            Exchange.from_item(exchange),
            cbor.bstr(marks, limit=_MAX_MARKS),
            cbor.bstr(said, DIGEST_SIZE),
        )


State = Opening | AwaitingReady | Serving


def decode_state(data: bytes) -> State:
    """Read back what ``encode`` wrote. Raises MalformedError."""
    try:
        kind, *fields = cbor.array(cbor.decode(data))
        match kind:
            case 0:
                return Opening.from_fields(fields)
            case 1:
                session, said = cbor.array(fields, 2)
                transcript = cbor.bstr(said, DIGEST_SIZE)
                return AwaitingReady(Session.from_cbor(cbor.bstr(session)), transcript)
            case 2:
                return Serving.from_fields(fields)
    except ValueError as error:
        raise MalformedError("not a TO2 state") from error
    raise MalformedError(f"TO2 state of kind {kind}")
