"""fdo.csr, both sides: a real certificate for a key that the device has made."""

import base64
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hw.keys import DeviceKey, new_soft_key
from onboarding.device.csr import certificate_request
from onboarding.device.modules.csr import AUTHORITIES, CERTIFICATE, CsrModule
from onboarding.device.modules.journal import Journal
from onboarding.device.soft_keys import SoftKeys
from onboarding.protocol.errors import RequiredModuleFailed
from onboarding.protocol.fdo_csr import CsrModule as Certifies
from onboarding.protocol.modules import Message
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.serviceinfo.certifying import Certifier
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from tests.support.fdo_roles import NOW
from tests.support.module_pair import GUID, ModulePair, context

if TYPE_CHECKING:
    from hw.tpm import Tpm


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    store = KeyStore(tmp_path_factory.mktemp("keys"), b"test passphrase")
    store.create("device-ca", KeyKind.DEVICE_CA, KeyAlgorithm.P256)
    store.create("other-ca", KeyKind.DEVICE_CA, KeyAlgorithm.P384)
    return store


@pytest.fixture(scope="module")
def ca(store: KeyStore) -> Certifier:
    return Certifier.open(store, None, 30)


def certifies(ca: Certifier, **changed: Any) -> Certifies:
    return Certifies(ca.authorities, ca.issue, **changed)


def enrolled(directory: Path) -> tuple[x509.Certificate, x509.Certificate]:
    """The certificate and its authority as the device keeps them."""
    found = (directory / name for name in (CERTIFICATE, AUTHORITIES))
    made, authority = (x509.load_pem_x509_certificate(p.read_bytes()) for p in found)
    made.verify_directly_issued_by(authority)
    return made, authority


@pytest.mark.parametrize("limit", [300, 1300])
@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_a_device_is_given_a_certificate_for_its_new_key(
    tmp_path: Path, ca: Certifier, curve: str, limit: int
) -> None:
    soft, journal = SoftKeys(tmp_path), Journal()
    device = CsrModule(tmp_path, lambda: soft.create_owner_key(curve), "SN-1", journal)
    owner = certifies(ca, common_name="edge-1")
    (result,) = ModulePair([owner], [device], limit=limit).run()
    made, authority = enrolled(tmp_path)
    assert authority == ca.authority
    assert made.subject.rfc4514_string() == "CN=edge-1"
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    end = datetime.fromtimestamp(NOW + 30 * 86400, UTC)
    assert made.not_valid_after_utc == min(end, ca.authority.not_valid_after_utc)
    assert result.facts["certificate"] == made.public_bytes(Encoding.DER)
    assert result.facts["serial"] == f"{made.serial_number:x}"
    assert str(journal.entries[0]) == "fdo.csr: certificate for CN=edge-1"
    assert stat.S_IMODE((tmp_path / "owner-key.der").stat().st_mode) == 0o600


def test_without_a_name_the_certificate_has_the_guid(
    tmp_path: Path, ca: Certifier
) -> None:
    device = CsrModule(tmp_path, lambda: new_soft_key("P-256"), "SN-1")
    ModulePair([certifies(ca)], [device]).run()
    assert enrolled(tmp_path)[0].subject.rfc4514_string() == f"CN={GUID}"


def test_the_key_is_in_the_devices_tpm_and_not_its_device_key(
    tmp_path: Path, ca: Certifier, tpm: "Tpm"
) -> None:
    device_key = tpm.create_device_key()
    device = CsrModule(tmp_path, tpm.create_owner_key, "SN-1")
    ModulePair([certifies(ca)], [device]).run()
    made, _ = enrolled(tmp_path)
    key = tpm.owner_key()
    assert made.public_key() == key.public_key
    assert key.public_key != device_key.public_key
    assert tpm.device_key().public_area == device_key.public_area
    signature = certificate_request(key, "again")  # the TPM still signs with it
    assert x509.load_der_x509_csr(signature).is_signature_valid
    ModulePair([certifies(ca)], [device]).run()
    assert tpm.owner_key().public_key != key.public_key  # another key each time


def test_a_ca_is_chosen_by_its_name(store: KeyStore) -> None:
    assert Certifier.open(store, "other-ca", 1).key.key_size == 384
    with pytest.raises(ValueError, match="no device CA none"):
        Certifier.open(store, "none", 1)


def asked(module: Certifies, *said: tuple[str, object]) -> list[tuple[str, object]]:
    """Send requests; return the answers."""
    state = module.start(context())
    for message, value in said:
        state = cbor.decode(cbor.encode(state))
        state = module.receive(state, message, cbor.encode(value), context())
    _, answers, _ = module.produce(state, 1300, context())
    return [(what, cbor.decode(value)) for what, value in answers]


def test_authorities_are_told_in_either_format(ca: Certifier) -> None:
    module = certifies(ca)
    ((_, bundle),) = asked(module, ("cacerts-req", 281))
    der = base64.b64decode(str(bundle))
    assert pkcs7.load_der_pkcs7_certificates(der) == [ca.authority]
    ((_, single),) = asked(module, ("cacerts-req", 287))
    assert base64.b64decode(str(single)) == ca.authorities[0]
    assert asked(module, ("cacerts-req", 50)) == [("error", 5)]


def test_what_is_not_offered_is_told_so(ca: Certifier) -> None:
    module = certifies(ca)
    assert asked(module, ("csrattrs-req", 0)) == [("error", 3)]
    assert asked(module, ("serverkeygen-req", "AAAA")) == [("error", 3)]
    assert asked(module, ("progress", 1)) == []


def test_a_second_request_gets_no_second_certificate(ca: Certifier) -> None:
    request = text(certificate_request(new_soft_key("P-256"), "SN-1"))
    answers = asked(
        certifies(ca), ("simpleenroll-req", request), ("simplereenroll-req", request)
    )
    assert [what for what, _ in answers] == ["simpleenroll-res"]
    (again,) = asked(certifies(ca), ("simplereenroll-req", request))
    assert again[0] == "simplereenroll-res"


def test_no_number_of_questions_fills_the_state(ca: Certifier) -> None:
    many = [("csrattrs-req", 0)] * 100
    assert len(asked(certifies(ca), *many)) == 8


def text(der: bytes) -> str:
    return base64.b64encode(der).decode()


def tampered(der: bytes) -> bytes:
    return der[:-1] + bytes([der[-1] ^ 1])


def rsa_request() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SN-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def odd_curve() -> bytes:
    key = ec.generate_private_key(ec.SECP521R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA512()).public_bytes(Encoding.DER)


GOOD = certificate_request(new_soft_key("P-256"), "SN-1")
REQUESTS = {
    "not base64": "*",
    "no request": text(b"request"),
    "another's signature": text(tampered(GOOD)),
    "an RSA key": text(rsa_request()),
    "another curve": text(odd_curve()),
    "cut short": text(GOOD[:-10]),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_bad_request_is_told_so_and_fails_the_module(
    ca: Certifier, name: str
) -> None:
    module = certifies(ca)
    assert asked(module, ("simpleenroll-req", text(GOOD)))[0][0] != "error"
    assert asked(module, ("simpleenroll-req", REQUESTS[name])) == [("error", 1)]
    state = module.receive(
        module.start(context()),
        "simpleenroll-req",
        cbor.encode(REQUESTS[name]),
        context(),
    )
    state, _, _ = module.produce(state, 1300, context())
    assert not module.result(state).ok


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ("cacerts-req", "x"),
        ("simpleenroll-req", b"x"),
        ("simpleenroll-req", "x" * 16385),
    ],
)
def test_a_request_of_another_type_is_malformed(
    ca: Certifier, message: str, value: object
) -> None:
    with pytest.raises(MalformedError):
        asked(certifies(ca), (message, value))


def test_a_device_keeps_no_certificate_that_is_not_for_its_key(
    tmp_path: Path, ca: Certifier, store: KeyStore
) -> None:
    other = Certifier.open(store, "other-ca", 1)
    stranger = x509.load_der_x509_csr(
        certificate_request(new_soft_key("P-256"), "stranger")
    )
    wrong = {
        "is for another key": lambda *_: ca.issue(stranger, "x", NOW),
        "none of the owner's authorities": other.issue,
        "": lambda *_: b"no certificate",
    }
    for why, issue in wrong.items():
        journal = Journal()
        device = CsrModule(tmp_path, lambda: new_soft_key("P-256"), "SN-1", journal)
        said = _exchanged(Certifies(ca.authorities, issue), device)
        assert said[-1] == ("active", cbor.encode(False))
        assert why in str(journal.failures[-1])
        assert not (tmp_path / CERTIFICATE).exists()


def _exchanged(owner: Certifies, device: CsrModule) -> list[Message]:
    """Carry messages to and fro, without the exchange around them."""
    state = owner.start(context())
    said = list(device.activated())
    for _ in range(2):
        for message, value in said:
            state = owner.receive(state, message, value, context())
        state, answers, _ = owner.produce(state, 1300, context())
        said = [one for what, value in answers for one in device.receive(what, value)]
    return said


def test_an_owner_that_refuses_leaves_the_device_as_it_was(
    tmp_path: Path, ca: Certifier
) -> None:
    journal = Journal()
    device = CsrModule(tmp_path, _lying_key, "SN-1", journal)
    with pytest.raises(RequiredModuleFailed, match="request is refused"):
        ModulePair([certifies(ca)], [device]).run()
    device.activated()
    assert device.receive("error", cbor.encode(1)) == [("active", cbor.encode(False))]
    assert "error 1" in str(journal.failures[0])
    assert not (tmp_path / CERTIFICATE).exists()


class _Liar:
    """A key that signs with another one."""

    alg = -7

    def __init__(self) -> None:
        self.public_key = new_soft_key("P-256").public_key

    def sign(self, data: bytes) -> bytes:
        return new_soft_key("P-256").sign(data)


def _lying_key() -> DeviceKey:
    return _Liar()


def test_answers_out_of_turn_are_given_up(tmp_path: Path) -> None:
    device = CsrModule(tmp_path, lambda: new_soft_key("P-256"), "SN-1")
    refused = [("active", cbor.encode(False))]
    for message, value in (
        ("simpleenroll-res", text(b"x")),
        ("cacerts-res", text(b"x")),
        ("cacerts-res", "*"),
    ):
        assert device.receive(message, cbor.encode(value)) == refused
    for message in ("simpleenroll-res", "cacerts-res", "error"):
        with pytest.raises(MalformedError):
            device.receive(message, cbor.encode(b"x"))
