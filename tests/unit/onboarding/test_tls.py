"""Whom a client talks to: over real TLS, with a private CA and with pins."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.tls import Trust, TrustError, context_of, looking
from ownership_vouchers.types import Hash, HashType
from tests.support.server_tls import Authority

ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass
class Server:
    """Answers each request with nothing, and counts what it was asked."""

    port: int
    certificate: x509.Certificate
    authority: Authority
    asked: list[bytes] = field(default_factory=list)

    def get(self, trust: Trust, host: str = "127.0.0.1") -> int:
        with httpx.Client(verify=context_of(trust), trust_env=False) as client:
            return client.get(f"https://{host}:{self.port}/").status_code


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    authority = Authority("a private CA")
    key, certificate = authority.issue("127.0.0.1")
    chain = tmp_path / "chain.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = certificate.public_bytes(Encoding.PEM) + authority.pem
    chain.write_bytes(private + shown)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with create_server(("127.0.0.1", 0)) as listening:
        served = Server(listening.getsockname()[1], certificate, authority)

        def serve() -> None:
            while True:
                try:
                    raw, _ = listening.accept()
                except OSError:
                    return
                with raw:
                    try:
                        with context.wrap_socket(raw, server_side=True) as tls:
                            if asked := tls.recv(65536):
                                served.asked.append(asked)
                                tls.sendall(ANSWER)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield served
        listening.shutdown(2)
        thread.join()


def pin(certificate: x509.Certificate, kind: HashType = HashType.SHA256) -> Hash:
    return Hash.of(kind, certificate.public_bytes(Encoding.DER))


def test_a_private_authority_vouches_for_its_server(server: Server) -> None:
    assert server.get(Trust(server.authority.pem)) == 204


@pytest.mark.parametrize("kind", [HashType.SHA256, HashType.SHA384])
def test_a_pinned_server_needs_no_authority(server: Server, kind: HashType) -> None:
    assert server.get(Trust(server=pin(server.certificate, kind))) == 204


def test_what_a_server_shows_is_looked_at_and_it_is_told_nothing(
    server: Server,
) -> None:
    """Fails if Python's `ssl` has its chains elsewhere than ``shown_chain`` looks."""
    context, shown = looking()
    with httpx.Client(verify=context, trust_env=False) as client:
        with pytest.raises(httpx.ConnectError, match="looked at"):
            client.get(f"https://127.0.0.1:{server.port}/")
    whole = (server.certificate, server.authority.certificate)
    assert shown == [one.public_bytes(Encoding.DER) for one in whole]
    assert server.asked == []


def test_a_pinned_authority_is_found_among_the_known(server: Server) -> None:
    known = Authority("another CA").pem + server.authority.pem
    assert server.get(Trust(known, authority=pin(server.authority.certificate))) == 204


def refusals(server: Server) -> dict[str, Trust]:
    other = Authority("another CA")
    _, strange = other.issue("127.0.0.1")
    both = other.pem + server.authority.pem
    return {
        "public authorities only": Trust(),
        "another authority": Trust(other.pem),
        "another server pinned": Trust(server.authority.pem, server=pin(strange)),
        "another authority pinned": Trust(both, authority=pin(other.certificate)),
        "another server pinned, the right authority": Trust(
            both, pin(strange), pin(server.authority.certificate)
        ),
    }


@pytest.mark.parametrize(
    "case",
    [
        "public authorities only",
        "another authority",
        "another server pinned",
        "another authority pinned",
        "another server pinned, the right authority",
    ],
)
def test_another_server_is_told_nothing(server: Server, case: str) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        server.get(refusals(server)[case])
    assert server.asked == []


def test_a_server_of_another_name_is_told_nothing(server: Server) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        server.get(Trust(server.authority.pem), "localhost")
    assert server.asked == []


def test_a_pinned_authority_that_is_not_known_ends_it(server: Server) -> None:
    known = Authority("another CA").pem
    with pytest.raises(TrustError, match="VOUCHGATE_CA"):
        context_of(Trust(known, authority=pin(server.authority.certificate)))


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAA"])
def test_a_file_without_certificates_is_refused(pem: bytes) -> None:
    with pytest.raises(TrustError, match="no certificates"):
        context_of(Trust(pem))
