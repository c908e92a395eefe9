import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ownership_vouchers.certificates import hardware_module_name, tpm_attributes
from ownership_vouchers.certified_names import HardwareModuleName, TpmAttributes
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import load_certificate
from tests.support.verdicts import Vector

EK = sorted((Path(__file__).parents[2] / "vectors/ek").glob("*.txt"))
KEY = ec.generate_private_key(ec.SECP256R1())
MAKER, MODEL, VERSION = (f"2.23.133.2.{number}" for number in (1, 2, 3))
INFINEON = TpmAttributes("id:49465800", "SLB9672", "id:00100002")


def attribute(oid: str, text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(x509.ObjectIdentifier(oid), text)


TRIPLE = [
    attribute(MAKER, "id:49465800"),
    attribute(MODEL, "SLB9672"),
    attribute(VERSION, "id:00100002"),
]


def certificate(
    *extensions: x509.ExtensionType, subject: x509.Name | None = None
) -> x509.Certificate:
    born = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maker")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or x509.Name([]))
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(born)
        .not_valid_after(born + datetime.timedelta(days=1))
    )
    for one in extensions:
        builder = builder.add_extension(one, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def alternative(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


def unread(oid: str, digits: str) -> x509.UnrecognizedExtension:
    value = bytes.fromhex(digits)
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


@pytest.mark.parametrize("path", EK, ids=lambda path: path.stem)
def test_a_real_ek_certificate_names_its_tpm(path: Path) -> None:
    vector = Vector.read(path)
    found = tpm_attributes(load_certificate(vector.data))
    assert found is not None
    named = f"{found.manufacturer} {found.model} {found.version}"
    assert named == vector.fields["expect"]
    assert hardware_module_name(load_certificate(vector.data)) is None


def test_the_real_ek_certificates_are_there() -> None:
    assert len(EK) == 2


ONE_EACH = x509.Name(TRIPLE)
ALL_IN_ONE = x509.Name([x509.RelativeDistinguishedName(TRIPLE)])
PLACES = {
    "alternative name, one set each": certificate(
        alternative(x509.DirectoryName(ONE_EACH))
    ),
    "alternative name, all in a set": certificate(
        alternative(x509.DNSName("tpm.example"), x509.DirectoryName(ALL_IN_ONE))
    ),
    "subject": certificate(subject=ONE_EACH),
    "alternative name without, subject with": certificate(
        alternative(x509.DNSName("tpm.example")), subject=ALL_IN_ONE
    ),
}


@pytest.mark.parametrize("found", PLACES.values(), ids=PLACES)
def test_vendors_write_the_attributes_in_several_places(
    found: x509.Certificate,
) -> None:
    assert tpm_attributes(found) == INFINEON


def test_the_alternative_name_goes_before_the_subject() -> None:
    other = x509.Name([attribute(MODEL, "other")])
    both = certificate(alternative(x509.DirectoryName(ONE_EACH)), subject=other)
    assert tpm_attributes(both) == INFINEON


def test_subject_directory_attributes_are_read_too() -> None:
    # One attribute: model, a SET of one UTF8String "SLB9672".
    extension = unread("2.5.29.9", "301430120605678105020231090c07534c4239363732")
    found = tpm_attributes(certificate(extension))
    assert found == TpmAttributes(None, "SLB9672", None)


def test_a_certificate_of_no_tpm_has_no_attributes() -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    assert tpm_attributes(certificate(subject=subject)) is None
    assert hardware_module_name(certificate(subject=subject)) is None


VENDORS = {
    "id:49465800": "IFX",
    "id:53544D20": "STM",
    "id:4E544300": "NTC",
    "id:00001014": None,
    "id:zz": None,
    "IFX": None,
    None: None,
}


@pytest.mark.parametrize(("manufacturer", "vendor"), VENDORS.items())
def test_a_vendor_is_told_by_its_letters(
    manufacturer: str | None, vendor: str | None
) -> None:
    assert TpmAttributes(manufacturer, None, None).vendor == vendor


def test_a_hardware_module_has_a_kind_and_a_serial_number() -> None:
    # SEQUENCE { OID 2.23.133.1.2, OCTET STRING "IFX:1" }
    value = bytes.fromhex("300e0605678105010204054946583a31")
    other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), value)
    upn = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01x")
    found = hardware_module_name(certificate(alternative(upn, other)))
    assert found == HardwareModuleName("2.23.133.1.2", b"IFX:1")


BROKEN = {
    "alternative name": unread("2.5.29.17", "3003a40100"),
    "alternative name with a tail": unread("2.5.29.17", "30008000"),
    "directory attributes": unread("2.5.29.9", "04"),
}


@pytest.mark.parametrize("extension", BROKEN.values(), ids=BROKEN)
def test_a_place_that_cannot_be_read_is_our_error(
    extension: x509.UnrecognizedExtension,
) -> None:
    with pytest.raises(MalformedError):
        tpm_attributes(certificate(extension))


def test_a_hardware_module_that_cannot_be_read_is_our_error() -> None:
    oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
    broken = certificate(alternative(x509.OtherName(oid, b"\x30\x00")))
    with pytest.raises(MalformedError):
        hardware_module_name(broken)


def test_an_attribute_that_is_no_text_is_passed_over() -> None:
    extension = unread("2.5.29.9", "300e300c060567810502023103020105")
    assert tpm_attributes(certificate(extension)) is None


def test_a_certificate_of_any_size_is_not_read() -> None:
    huge = unread("1.2.3", "00" * 16384)
    with pytest.raises(MalformedError, match="over 16384 bytes"):
        tpm_attributes(certificate(huge))
