"""What CRLs say of an EK certificate, and what follows where they say nothing."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.ek_store import EkTrust, load_crl
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkCode, EkNoteCode, EkVerdict
from attestation.errors import PolicyError
from attestation.passport import Passport, key_digest
from ownership_vouchers.types import Guid
from tests.support.ek_authority import (
    CA,
    NOW,
    SIGNING,
    Extension,
    Issuer,
    TpmVendor,
)
from tests.support.odd_certificates import reissued, serial

VENDOR = TpmVendor()
EK = ec.generate_private_key(ec.SECP256R1()).public_key()
GOOD = VENDOR.issuer.issue_ek(EK)
SERIAL = x509.load_der_x509_certificate(GOOD).serial_number
PASSPORT = Passport(Guid(bytes(16)), key_digest(EK), "SN-1", "sbc", bytes(32), NOW)
PAST, FUTURE = (-60, -30), (30, 60)


def trust(*crls: bytes, required: bool = False) -> EkTrust:
    loaded = tuple(load_crl(one, VENDOR.store) for one in crls)
    return replace(VENDOR.trust, crls=loaded, crls_required=required)


def judged(
    *crls: bytes,
    required: bool = False,
    certificate: bytes = GOOD,
    passport: Passport | None = None,
    accepted: tuple[bytes, ...] = (),
) -> EkVerdict:
    asked = trust(*crls, required=required)
    return judge(EkEvidence(EK, certificate), asked, passport, NOW, accepted)


def codes(verdict: EkVerdict) -> list[EkNoteCode]:
    return [one.code for one in verdict.notes]


BOTH = (VENDOR.root.crl(), VENDOR.issuer.crl())


def test_a_certificate_that_no_list_names_is_the_vendors() -> None:
    for required in (False, True):
        verdict = judged(*BOTH, required=required)
        assert verdict.klass is EkClass.VENDOR_TRUSTED
        assert codes(verdict) == [EkNoteCode.CRL_CHECKED] * 2


@pytest.mark.parametrize("days", [(-1, 30), PAST, FUTURE])
def test_a_revoked_certificate_is_refused_whatever_else_vouches(
    days: tuple[int, int],
) -> None:
    crl = VENDOR.issuer.crl(SERIAL, days=days)
    by_hand = (key_digest(EK),)
    for passport in (None, PASSPORT):
        verdict = judged(crl, passport=passport, accepted=by_hand)
        assert verdict.klass is EkClass.REFUSED
        assert [one.code for one in verdict.reasons] == [EkCode.CERTIFICATE_REVOKED]
        assert "keyCompromise" in verdict.reasons[0].sentence
        assert verdict.reasons[0].remedy


def test_a_vendors_issuer_may_be_revoked_too() -> None:
    crl = VENDOR.root.crl(VENDOR.issuer.certificate.serial_number)
    verdict = judged(crl, VENDOR.issuer.crl())
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_REVOKED
    assert "test TPM vendor issuer" in verdict.reasons[0].sentence


def test_a_serial_of_another_issuers_list_says_nothing() -> None:
    assert judged(VENDOR.root.crl(SERIAL)).klass is EkClass.VENDOR_TRUSTED


MISSING: dict[str, tuple[tuple[bytes, ...], EkCode, EkNoteCode]] = {
    "no list": ((VENDOR.root.crl(),), EkCode.CRL_MISSING, EkNoteCode.CRL_NONE),
    "an old list": (
        (VENDOR.root.crl(), VENDOR.issuer.crl(days=PAST)),
        EkCode.CRL_EXPIRED,
        EkNoteCode.CRL_STALE,
    ),
    "a list to come": (
        (VENDOR.root.crl(), VENDOR.issuer.crl(days=FUTURE)),
        EkCode.CRL_EXPIRED,
        EkNoteCode.CRL_STALE,
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_not_in_force_is_noted_or_where_required_no_path(case: str) -> None:
    crls, code, note = MISSING[case]
    noted = judged(*crls)
    assert noted.klass is EkClass.VENDOR_TRUSTED
    assert note in codes(noted)
    refused = judged(*crls, required=True)
    assert refused.klass is EkClass.REFUSED
    assert [one.code for one in refused.reasons] == [code]
    stands_in = judged(*crls, required=True, passport=PASSPORT)
    assert stands_in.klass is EkClass.PASSPORT_TRUSTED


@pytest.mark.parametrize(("content", "listed"), [(b"\0\xfe\x01", 0xFE01), (b"\x05", 5)])
def test_an_odd_certificate_is_looked_for_by_its_number(
    content: bytes, listed: int
) -> None:
    long = reissued(VENDOR.issuer, GOOD, serial(b"\0" + content))
    assert judged(certificate=long).klass is EkClass.VENDOR_TRUSTED
    verdict = judged(VENDOR.issuer.crl(listed), certificate=long)
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_REVOKED


def test_a_negative_serial_is_looked_for_by_its_unsigned_reading_too() -> None:
    negative = reissued(VENDOR.issuer, GOOD, serial(b"\xfe\x01"))
    listed = VENDOR.issuer.crl(0xFE01)
    verdict = judged(listed, certificate=negative)
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_REVOKED
    other = judged(VENDOR.issuer.crl(0xFE02), certificate=negative)
    assert other.klass is EkClass.VENDOR_TRUSTED


def test_the_newest_list_decides_whether_one_is_in_force() -> None:
    old = VENDOR.issuer.crl(days=PAST, number=1)
    verdict = judged(VENDOR.root.crl(), old, VENDOR.issuer.crl(number=2))
    assert codes(verdict) == [EkNoteCode.CRL_CHECKED] * 2


def _with(value: x509.ExtensionType, *, critical: bool = True) -> bytes:
    added: Extension = (value, critical)
    return VENDOR.issuer.crl(extensions=[added])


def _part(**chosen: bool) -> x509.IssuingDistributionPoint:
    none = dict.fromkeys(
        (
            "only_contains_user_certs",
            "only_contains_ca_certs",
            "indirect_crl",
            "only_contains_attribute_certs",
        ),
        False,
    )
    place = [x509.UniformResourceIdentifier("http://crl.test/1")]
    return x509.IssuingDistributionPoint(
        full_name=place,
        relative_name=None,
        only_some_reasons=None,
        **{**none, **chosen},
    )


NO_SIGNER = Issuer("signs no CRL", VENDOR.root, ((CA, True), (SIGNING, True)))
USELESS = {
    "not one": b"\x30\x03\x02\x01\x01",
    "cut": BOTH[0][:-1],
    "a stranger's": Issuer(VENDOR.issuer.subject).crl(),
    "of an unknown CA": Issuer("nobody").crl(),
    "by a CA that signs none": NO_SIGNER.crl(),
    "a delta": _with(x509.DeltaCRLIndicator(1)),
    "a delta that does not say so firmly": _with(
        x509.DeltaCRLIndicator(1), critical=False
    ),
    "indirect": _with(_part(indirect_crl=True)),
    "only of users": _with(_part(only_contains_user_certs=True)),
    "only of CAs": _with(_part(only_contains_ca_certs=True)),
    "with an unknown critical part": _with(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.9.9"), b"\5\0")
    ),
    "too long": bytes(2 * 1024 * 1024 + 1),
}


@pytest.mark.parametrize("case", USELESS)
def test_a_list_that_cannot_tell_is_not_taken(case: str) -> None:
    authorities = [*VENDOR.store, NO_SIGNER.certificate]
    load_crl(VENDOR.issuer.crl(), authorities)  # so that only the change can fail
    with pytest.raises(PolicyError):
        load_crl(USELESS[case], authorities)


def test_a_list_at_one_place_is_whole() -> None:
    found = load_crl(_with(_part()), VENDOR.store)
    assert found.number == 1


def test_the_digest_of_a_store_is_of_what_is_in_it() -> None:
    one = trust(*BOTH)
    assert one.digest == replace(one, roots=one.roots[::-1]).digest
    assert (
        len({one.digest, trust(BOTH[0]).digest, trust().digest, EkTrust().digest}) == 4
    )
