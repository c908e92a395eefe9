"""Certificates for Keylime: whole, private, and with no authority left behind."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import DNSName, verification

from attestation.keylime.pki import CLIENTS, LIFETIME, SERVERS, Pki, ensure_pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    hosts = ("keylime.example", "127.0.0.1")
    return ensure_pki(tmp_path_factory.mktemp("pki") / "new", hosts)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def verifier(pki: Pki) -> verification.PolicyBuilder:
    return verification.PolicyBuilder().store(verification.Store([load(pki.ca)]))


@pytest.mark.parametrize("leaf", SERVERS)
def test_a_server_certificate_is_good_for_its_host_name(pki: Pki, leaf: str) -> None:
    certificate = load(pki.certificate(leaf))
    host = DNSName("keylime.example")
    verifier(pki).build_server_verifier(host).verify(certificate, [])


@pytest.mark.parametrize("leaf", SERVERS)
def test_a_server_certificate_is_good_for_no_other_host(pki: Pki, leaf: str) -> None:
    checker = verifier(pki).build_server_verifier(DNSName("other.example"))
    with pytest.raises(verification.VerificationError):
        checker.verify(load(pki.certificate(leaf)), [])


@pytest.mark.parametrize("leaf", SERVERS)
def test_a_server_cannot_pose_as_a_client(pki: Pki, leaf: str) -> None:
    checker = verifier(pki).build_client_verifier()
    with pytest.raises(verification.VerificationError):
        checker.verify(load(pki.certificate(leaf)), [])


@pytest.mark.parametrize("leaf", [*SERVERS, *CLIENTS])
def test_a_key_belongs_to_its_certificate_and_is_private(pki: Pki, leaf: str) -> None:
    key = load_pem_private_key(pki.key(leaf).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == load(pki.certificate(leaf)).public_key()
    assert pki.key(leaf).stat().st_mode & 0o777 == 0o600
    assert pki.directory.stat().st_mode & 0o777 == 0o700


def test_the_authoritys_key_is_kept_nowhere(pki: Pki) -> None:
    authority = load(pki.ca).public_key()
    for path in pki.directory.glob("*.key"):
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.public_key() != authority


def test_certificates_are_used_again_while_they_last(pki: Pki) -> None:
    before = pki.ca.read_bytes()
    assert ensure_pki(pki.directory).ca.read_bytes() == before
    now = datetime.now(UTC)
    assert pki.complete(now)
    assert not pki.complete(now + LIFETIME - timedelta(hours=23))


def test_all_are_made_anew_when_one_is_missing(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path)
    before = pki.ca.read_bytes()
    pki.key("owner").unlink()
    assert ensure_pki(tmp_path).ca.read_bytes() != before
