"""``fdo.csr``, the owner's side: a certificate for a key of the device's.

    owner                      device
    active              -->
                       <--     cacerts-req, then simpleenroll-req
    cacerts-res, simpleenroll-res -->

The device leads; it ends when it has its certificate. Keys made here for a device, and
attributes for its request, are not offered. Source: FIDO FDO ServiceInfo modules,
fdo.csr; RFC 7030 for what the texts hold (base64 of DER).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor
from ownership_vouchers.keys import UNREADABLE

NAME = "fdo.csr"
CERTS_ONLY, PKIX_CERT = 281, 287  # media types, as CoAP numbers them
BAD_REQUEST, NOT_SUPPORTED, BAD_FORMAT = 1, 3, 5
MAX_REQUEST = 16 * 1024  # characters
_ENROL = ("simpleenroll-req", "simplereenroll-req")
_UNSUPPORTED = ("serverkeygen-req", "csrattrs-req")
_MAX_REPLIES = 8

Issue = Callable[[x509.CertificateSigningRequest, str, int], bytes]
"""Issues a certificate (DER) for a request, to a common name, at a time."""


@dataclass(frozen=True, slots=True)
class _State:
    """``replies`` are still to be sent; ``failure`` ends it once they are."""

    replies: tuple[Message, ...] = ()
    certificate: bytes = b""
    failure: str = ""

    def to_item(self) -> list[object]:
        return [list(self.replies), self.certificate, self.failure]

    @classmethod
    def of(cls, item: object) -> Self:
        replies, certificate, failure = cbor.array(item, 3)
        pairs = [cbor.array(one, 2) for one in cbor.array(replies)]
        return cls(
            tuple((cbor.tstr(said), cbor.bstr(value)) for said, value in pairs),
            cbor.bstr(certificate),
            cbor.tstr(failure, 1024),
        )

    def saying(self, message: str, value: object) -> Self:
        return replace(self, replies=(*self.replies, (message, cbor.encode(value))))


@dataclass(frozen=True, slots=True)
class CsrModule:
    """Issues one certificate to the device.

    Args:
        authorities: The issuing CAs' certificates, DER; the first one's kind leads.
        common_name: Of the certificate; empty for the GUID the device came with.
    """

    authorities: Sequence[bytes]
    issue: Issue = field(repr=False)
    common_name: str = ""
    required: bool = True
    name: str = NAME

    def start(self, ctx: ModuleContext) -> object:
        """Return the state before the device has asked for anything."""
        return _State().to_item()

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Answer a request, or note which error to tell.

        Raises:
            MalformedError: The value is not of the message's type.
        """
        now = _State.of(state)
        if len(now.replies) >= _MAX_REPLIES:
            return state
        item = cbor.decode(value)
        if message == "cacerts-req":
            return self._authorities(now, cbor.uint(item, 16)).to_item()
        if message in _ENROL:
            text = cbor.tstr(item, MAX_REQUEST)
            return self._enrol(now, message, text, ctx).to_item()
        if message in _UNSUPPORTED:
            return now.saying("error", NOT_SUPPORTED).to_item()
        return state

    def _authorities(self, now: _State, form: int) -> _State:
        found = [x509.load_der_x509_certificate(one) for one in self.authorities]
        if form == CERTS_ONLY:
            der = pkcs7.serialize_certificates(found, Encoding.DER)
        elif form == PKIX_CERT:
            der = self.authorities[0]
        else:
            return now.saying("error", BAD_FORMAT)
        return now.saying("cacerts-res", base64.b64encode(der).decode())

    def _enrol(self, now: _State, asked: str, text: str, ctx: ModuleContext) -> _State:
        if now.certificate or now.failure:
            return now
        try:
            request = x509.load_der_x509_csr(base64.b64decode(text))
            _check_request(request)
        except (*UNREADABLE, UnsupportedAlgorithm, binascii.Error) as error:
            failure = f"the device's certificate request is refused: {error}"[:500]
            return replace(now, failure=failure).saying("error", BAD_REQUEST)
        name = self.common_name or str(ctx.guid)
        der = self.issue(request, name, ctx.now)
        answer = asked.replace("-req", "-res")
        told = now.saying(answer, base64.b64encode(der).decode())
        return replace(told, certificate=der)

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Say what was asked for; the certificate is the end of it."""
        now = _State.of(state)
        done = Progress.DONE if now.certificate or now.failure else Progress.WAITING
        return replace(now, replies=()).to_item(), list(now.replies), done

    def result(self, state: object) -> ModuleResult:
        """``facts``: ``item`` (subject), ``certificate`` (DER) and its ``serial``."""
        now = _State.of(state)
        if not now.certificate:
            return ModuleResult(self.name, False, now.failure)
        made = x509.load_der_x509_certificate(now.certificate)
        subject = made.subject.rfc4514_string()
        facts: dict[str, object] = {
            "item": subject,
            "bytes": len(now.certificate),
            "serial": f"{made.serial_number:x}",
            "certificate": now.certificate,
        }
        return ModuleResult(self.name, True, f"certificate for {subject}", facts)


def _check_request(request: x509.CertificateSigningRequest) -> None:
    """Raise ValueError unless the device holds the key, and it is of our kinds."""
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in (256, 384):
        raise ValueError("its key is not on P-256 or P-384")
    try:
        valid = request.is_signature_valid
    except InvalidSignature:
        valid = False
    if not valid:
        raise ValueError("its signature does not verify")
