"""Which TLS servers a client of ours talks to: device, command or owner.

FDO proves by itself who is who; TLS keeps others from listening, and a pin in the
rendezvous information keeps a device from ever talking to anybody else.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.shown_chain import shown_by
from ownership_vouchers.types import Hash


class TrustError(Exception):
    """There is nothing to check a TLS server's certificate with."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to talk to.

    ``authorities`` is PEM: these certificates vouch for servers, and no others; None
    means the public authorities. The hashes are of DER certificates, as rendezvous
    information pins them: the server's own, and its authority's. A server's own
    decides alone: who holds its key is shown by the handshake.

    Source: FDO 1.1, section 3.7 (RVSvCertHash, RVClCertHash).
    """

    authorities: bytes | None = None
    server: Hash | None = None
    authority: Hash | None = None

    @property
    def pinned(self) -> bool:
        return self.server is not None or self.authority is not None


PUBLIC = Trust()


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a client shows of itself: a chain in PEM, and its key, in the same file or
    another; the passphrase opens an encrypted one."""

    chain: Path
    key: Path | None = None
    passphrase: bytes = field(default=b"", repr=False)


def lacks_authority(trust: Trust) -> bool:
    """Whether an authority is pinned that is not among those that are known.

    Raises:
        TrustError: Those that are known cannot be read.
    """
    if trust.server is not None or trust.authority is None:
        return False
    known = _certificates(trust.authorities)
    return not any(_is(trust.authority, one) for one in known)


def looking() -> tuple[ssl.SSLContext, list[bytes]]:
    """Return what only looks at the certificates that a server shows.

    Every connection ends once they are in the list, as DER, before anything is said.
    What they are worth is for another connection to find out.
    """
    context = _LookingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent
    context.seen = []
    return context, context.seen


def trusting_shown(trust: Trust, shown: Sequence[bytes]) -> Trust:
    """Return ``trust`` with the pinned authority's certificate, which a server showed.

    The pin says that it is the one; who the server is, TLS shows under it.

    Raises:
        TrustError: It is not among those that were shown.
    """
    pin = trust.authority
    for one in shown:
        if pin is not None and _is(pin, one):
            return replace(trust, authorities=ssl.DER_cert_to_PEM_cert(one).encode())
    raise TrustError(
        "the rendezvous information pins a CA whose certificate is neither here nor"
        " shown by the server: name a file with it in VOUCHGATE_CA"
    )


def context_of(trust: Trust, shown: ClientCertificate | None = None) -> ssl.SSLContext:
    """Return what TLS is spoken with.

    Raises:
        TrustError: No certificate to trust, or not the one that is pinned; or what
            is to be shown cannot be.
    """
    context = _context_of(trust)
    if shown is not None:
        _show(context, shown)
    return context


def _show(context: ssl.SSLContext, shown: ClientCertificate) -> None:
    try:
        # A passphrase in any case: without one OpenSSL would ask at the terminal.
        context.load_cert_chain(shown.chain, shown.key, shown.passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        where = shown.chain if shown.key is None else f"{shown.chain}, {shown.key}"
        raise TrustError(
            f"{where}: no client certificate whose key opens:"
            f" {getattr(error, 'strerror', None) or error}"
        ) from error


def _context_of(trust: Trust) -> ssl.SSLContext:
    if trust == PUBLIC:
        return httpx.create_ssl_context(trust_env=False)
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.server is not None:
        context.server_pin = trust.server
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin is checked in its place
        return context
    known = _certificates(trust.authorities)
    if trust.authority is not None:
        known = [one for one in known if _is(trust.authority, one)]
        # The one that is pinned need not be a root.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not known:
        raise TrustError(
            "the rendezvous information pins a CA whose certificate is not here:"
            " name a file with it in VOUCHGATE_CA"
        )
    context.load_verify_locations(cadata=b"".join(known))
    return context


def _certificates(pem: bytes | None) -> list[bytes]:
    """Return DER certificates."""
    if pem is None:
        public = httpx.create_ssl_context(trust_env=False)
        return public.get_ca_certs(binary_form=True)
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise TrustError("the CA file holds no certificates in PEM") from error
    return [one.public_bytes(Encoding.DER) for one in found]


class _PinnedSocket(ssl.SSLSocket):
    """Ends the connection before anything is said, if the server is another one."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        context = self.context
        if not isinstance(context, _PinnedContext) or context.server_pin is None:
            return
        shown = self.getpeercert(binary_form=True)
        if shown is None or not _is(context.server_pin, shown):
            raise ssl.SSLCertVerificationError(
                "the server's certificate is not the one the device was told of"
            )


class _LookingSocket(ssl.SSLSocket):
    """Takes note of the certificates that it is shown, and goes no further."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        if isinstance(self.context, _LookingContext):
            self.context.seen += shown_by(self)
        raise ssl.SSLError("its certificates were looked at")


class _LookingContext(ssl.SSLContext):
    seen: list[bytes]
    sslsocket_class = _LookingSocket


class _PinnedContext(ssl.SSLContext):
    server_pin: Hash | None = None
    sslsocket_class = _PinnedSocket


def _is(pin: Hash, certificate: bytes) -> bool:
    return Hash.of(pin.type, certificate).same(pin)
