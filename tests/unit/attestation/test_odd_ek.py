"""EK certificates that are not quite DER: read, judged by what came, and noted."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.ek_leaf import read_leaf
from attestation.ek_store import EkTrust
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkCode, EkNoteCode, EkVerdict
from attestation.odd_der import Value, read_value
from ownership_vouchers.errors import MalformedError
from tests.support.ek_authority import (
    CA,
    EK_EXTENSIONS,
    ENCIPHERMENT,
    ISSUING,
    NO_CA,
    NOW,
    RSA_EK_EXTENSIONS,
    TPM_NAME,
    Extension,
    Issuer,
    TpmVendor,
    der,
)
from tests.support.odd_certificates import (
    Change,
    exact,
    name_out_of_order,
    once,
    reissued,
    replaced,
    serial,
    sized,
    written,
)

VENDOR = TpmVendor()
EK = ec.generate_private_key(ec.SECP256R1()).public_key()
GOOD = VENDOR.issuer.issue_ek(EK)
TRUST = VENDOR.trust
QUIET = {EkNoteCode.CRL_NONE}


def judged(certificate: bytes, trust: EkTrust = TRUST) -> EkVerdict:
    return judge(EkEvidence(EK, certificate), trust, None, NOW)


def oddities(verdict: EkVerdict) -> set[EkNoteCode]:
    return {one.code for one in verdict.notes} - QUIET


def _default_written(one: Value) -> bytes | None:
    """``critical FALSE`` before the purpose, and ``cA FALSE``."""
    if (
        one.tag == 0x30
        and one.parts
        and one.parts[0].content == bytes.fromhex("551d25")
    ):
        oid, last = one.parts
        return sized(0x30, oid.encoded() + b"\x01\x01\x00" + last.encoded())
    return None


def _indefinite(one: Value) -> bytes | None:
    if one.tag == 0xA3:
        return b"\xa3\x80" + one.parts[0].encoded() + b"\0\0"
    return None


def _long_length(one: Value) -> bytes | None:
    if one.tag == 0xA3:
        return sized(0xA3, one.parts[0].encoded(), octets=4)
    return None


def _dates(year: bytes) -> Change:
    return once(lambda one: one.tag == 0x17, 0x17, year)


TRUE = b"\x01\x01\xff"
NAME = exact(TPM_NAME.public_bytes()).encoded()
USAGE = bytes.fromhex("03020308")
ODD: dict[str, tuple[EkNoteCode, Callable[[], Change]]] = {
    "negative serial": (EkNoteCode.SERIAL_NEGATIVE, lambda: serial(b"\xfe\x01")),
    "serial zero": (EkNoteCode.SERIAL_ZERO, lambda: serial(b"\0")),
    "serial of 21 bytes": (EkNoteCode.SERIAL_LONG, lambda: serial(b"\x11" * 21)),
    "serial with leading zeros": (
        EkNoteCode.LONG_INTEGER,
        lambda: serial(b"\0\0\x11\x22"),
    ),
    "length of four bytes": (EkNoteCode.LONG_LENGTH, lambda: _long_length),
    "indefinite length": (EkNoteCode.INDEFINITE_LENGTH, lambda: _indefinite),
    "true as one": (EkNoteCode.BOOLEAN, lambda: replaced(b"\xff", b"\x01\x01\x01")),
    "critical written out": (EkNoteCode.DEFAULT_WRITTEN, lambda: _default_written),
    "no CA written out": (
        EkNoteCode.DEFAULT_WRITTEN,
        lambda: replaced(b"\x30\0", sized(0x04, bytes.fromhex("3003010100"))),
    ),
    "name out of order": (
        EkNoteCode.SET_ORDER,
        lambda: replaced(NAME, sized(0x04, name_out_of_order())),
    ),
    "name nobody can read": (
        EkNoteCode.NAME_UNREADABLE,
        lambda: replaced(NAME, sized(0x04, bytes.fromhex("3004a3020500"))),
    ),
    "unused bits": (
        EkNoteCode.UNUSED_BITS,
        lambda: replaced(USAGE, sized(0x04, bytes.fromhex("0302030f"))),
    ),
    "date without seconds": (EkNoteCode.TIME, lambda: _dates(b"2605010000Z")),
    "date with a zone": (EkNoteCode.TIME, lambda: _dates(b"260501020304+0130")),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_certificate_is_the_vendors_and_what_is_odd_is_kept(case: str) -> None:
    code, change = ODD[case]
    certificate = reissued(VENDOR.issuer, GOOD, change())
    assert certificate != reissued(VENDOR.issuer, GOOD, lambda _: None)
    verdict = judged(certificate)
    assert verdict.klass is EkClass.VENDOR_TRUSTED, verdict.reasons
    assert oddities(verdict) == {code}
    assert all(one.sentence for one in verdict.notes)
    assert verdict.chain[-1] == "CN=test TPM vendor root"
    assert verdict.store == TRUST.digest


def test_a_certificate_in_due_form_has_nothing_odd() -> None:
    assert oddities(judged(GOOD)) == set()
    assert not read_leaf(GOOD).notes


@pytest.mark.parametrize("padding", [b"\0" * 40, b"\xff" * 40, b"\x30\x03abc"])
def test_bytes_after_the_certificate_are_noted(padding: bytes) -> None:
    verdict = judged(GOOD + padding)
    assert verdict.klass is EkClass.VENDOR_TRUSTED
    assert oddities(verdict) == {EkNoteCode.BYTES_AFTER}


def test_an_rsa_key_that_is_marked_for_oaep_is_an_rsa_key() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    good = VENDOR.issuer.issue_ek(key, RSA_EK_EXTENSIONS)
    info = exact(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).parts[0]

    def marked(one: Value) -> bytes | None:
        oaep = b"\x06\x09" + bytes.fromhex("2a864886f70d010107")
        return sized(0x30, oaep) if one.encoded() == info.encoded() else None

    certificate = reissued(VENDOR.issuer, good, marked)
    verdict = judge(EkEvidence(key, certificate), TRUST, None, NOW)
    assert verdict.klass is EkClass.VENDOR_TRUSTED
    assert oddities(verdict) == {EkNoteCode.KEY_FOR_OAEP}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_certificate_of_a_stranger_is_refused(case: str) -> None:
    stranger = Issuer(VENDOR.issuer.subject)
    verdict = judged(reissued(stranger, GOOD, ODD[case][1]()))
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH
    assert ODD[case][0] in oddities(verdict)


def test_the_signature_is_over_what_came_and_not_over_a_better_form() -> None:
    """An altered certificate whose good form is the one that the vendor signed."""
    tbs, algorithm, signature = exact(GOOD).parts
    altered = written(tbs, _long_length)
    assert altered != tbs.raw
    certificate = sized(0x30, altered + algorithm.encoded() + signature.encoded())
    assert read_leaf(certificate).certificate == x509.load_der_x509_certificate(GOOD)
    verdict = judged(certificate)
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def _odd_issued_by(
    extensions: tuple[Extension, ...], parent: Issuer = VENDOR.root
) -> EkVerdict:
    issuer = Issuer("odd issuer", parent, extensions)
    odd = reissued(issuer, issuer.issue_ek(EK), serial(b"\0"))
    roots = [VENDOR.root.certificate, parent.certificate, issuer.certificate]
    return judged(odd, EkTrust.of(roots))


SHORT = x509.BasicConstraints(ca=True, path_length=0)
NARROW = x509.NameConstraints([x509.DNSName("vendor.test")], None)
ISSUERS: dict[str, tuple[tuple[Extension, ...], ...]] = {
    "no CA": (((NO_CA, True), (ISSUING, True)),),
    "without basic constraints": (((ISSUING, True),),),
    "for encipherment": (((CA, True), (ENCIPHERMENT, True)),),
    "constrained to names": (((CA, True), (ISSUING, True), (NARROW, True)),),
    "under one that may not have any": (
        ((CA, True), (ISSUING, True)),
        ((SHORT, True), (ISSUING, True)),
    ),
}


@pytest.mark.parametrize("case", ISSUERS)
def test_no_odd_certificate_comes_from_an_issuer(case: str) -> None:
    assert _odd_issued_by(((CA, True), (ISSUING, True))).klass is EkClass.VENDOR_TRUSTED
    extensions, *above = ISSUERS[case]
    parent = Issuer("above", VENDOR.root, above[0]) if above else VENDOR.root
    verdict = _odd_issued_by(extensions, parent)
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_an_odd_certificate_may_come_from_the_root_itself() -> None:
    odd = reissued(VENDOR.root, VENDOR.root.issue_ek(EK), serial(b"\0"))
    assert judged(odd).klass is EkClass.VENDOR_TRUSTED
    only_issuer = EkTrust.of([VENDOR.issuer.certificate])
    assert judged(odd, only_issuer).klass is EkClass.REFUSED


def test_an_unknown_critical_extension_ends_an_odd_path_too() -> None:
    unknown = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.9.9"), b"\5\0"
    )
    good = VENDOR.issuer.issue_ek(EK, (*EK_EXTENSIONS, (unknown, True)))
    verdict = judged(reissued(VENDOR.issuer, good, serial(b"\0")))
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


UNREADABLE: dict[str, Callable[[], bytes]] = {
    "cut": lambda: GOOD[:-1],
    "nothing": lambda: b"",
    "long tags": lambda: sized(0x30, b"\x1f\x81\x01\0" * 3),
    "a string in pieces": lambda: reissued(
        VENDOR.issuer, GOOD, once(lambda one: one.tag == 0x0C, 0x2C, b"\x0c\x01a")
    ),
    "too deep": lambda: _nested(200),
    "too many": lambda: sized(0x30, b"\x05\0" * 4000),
    "no month": lambda: reissued(VENDOR.issuer, GOOD, _dates(b"261301000000Z")),
    "four parts": lambda: sized(0x30, exact(GOOD).content + GOOD[4:] + b"\x05\0"),
}


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = sized(0x30, data)
    return data


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused(case: str) -> None:
    verdict = judged(UNREADABLE[case]())
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_UNREADABLE


@pytest.mark.parametrize(
    "data", ["0101", "0100", "020080", "0200", "0300", "030108", "1702ffff", "0180"]
)
def test_a_value_with_no_reading_or_two_is_refused(data: str) -> None:
    with pytest.raises(MalformedError):
        read_value(bytes.fromhex(data), lambda _: None)


def test_each_oddity_is_told_once() -> None:
    ones = replaced(b"\xff", b"\x01\x01\x07")
    certificate = reissued(VENDOR.issuer, GOOD, ones)
    codes = [one.code for one in judged(certificate).notes]
    assert codes.count(EkNoteCode.BOOLEAN) == 1


def test_the_issuers_certificate_may_be_what_the_device_brought() -> None:
    trust = EkTrust.of([VENDOR.root.certificate])
    brought = EkEvidence(EK, GOOD, (der(VENDOR.issuer.certificate),))
    verdict = judge(brought, trust, None, NOW)
    assert EkNoteCode.FROM_DEVICE in oddities(verdict)
    assert verdict.klass is EkClass.VENDOR_TRUSTED
