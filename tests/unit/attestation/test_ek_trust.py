"""Endorsement keys and their certificates."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from attestation.ek_root import EkRoot, load_root
from attestation.ek_store import EkTrust
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkCode, EkVerdict
from attestation.errors import PolicyError
from attestation.passport import Passport, key_digest
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid
from tests.support.ek_authority import (
    AGREEMENT,
    CA,
    CA_EXTENSIONS,
    EK_EXTENSIONS,
    EK_PURPOSE,
    ENCIPHERMENT,
    ISSUING,
    NO_CA,
    NOW,
    SIGNING,
    TPM_NAME,
    YEAR,
    Extension,
    Issuer,
    TpmVendor,
    der,
)

VENDOR = TpmVendor()
EK = ec.generate_private_key(ec.SECP256R1()).public_key()
OTHER = ec.generate_private_key(ec.SECP256R1()).public_key()
GOOD = VENDOR.issuer.issue_ek(EK)
PURPOSE: Extension = (x509.ExtendedKeyUsage([EK_PURPOSE]), False)


def passport_of(key: VerifyKey) -> Passport:
    return Passport(Guid(bytes(16)), key_digest(key), "SN-1", "sbc", bytes(32), NOW)


def judged(
    certificate: bytes | None,
    *,
    key: VerifyKey = EK,
    roots: list[x509.Certificate] | None = None,
    passport: Passport | None = None,
    now: int = NOW,
    chain: tuple[bytes, ...] = (),
    accepted: tuple[bytes, ...] = (),
) -> EkVerdict:
    roots = VENDOR.store if roots is None else roots
    ek = EkEvidence(key, certificate, chain)
    return judge(ek, EkTrust.of(roots), passport, now, accepted)


def test_a_certificate_with_a_path_to_a_root_is_the_vendors() -> None:
    verdict = judged(GOOD)
    assert verdict.klass is EkClass.VENDOR_TRUSTED
    assert verdict.reasons == ()
    assert verdict.chain == (
        "CN=test EK",
        "CN=test TPM vendor issuer",
        "CN=test TPM vendor root",
    )
    assert verdict.tpm is not None
    assert (verdict.tpm.vendor, verdict.tpm.model) == ("TEST", "TESTTPM")


def test_an_rsa_key_is_for_key_encipherment() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    fit = VENDOR.issuer.issue_ek(key, ((NO_CA, True), (ENCIPHERMENT, True), PURPOSE))
    unfit = VENDOR.issuer.issue_ek(key, ((NO_CA, True), (AGREEMENT, True), PURPOSE))
    assert judged(fit, key=key).klass is EkClass.VENDOR_TRUSTED
    assert judged(unfit, key=key).klass is EkClass.REFUSED


def test_the_path_may_go_through_what_the_device_brings() -> None:
    only_root = [VENDOR.root.certificate]
    assert judged(GOOD, roots=only_root).klass is EkClass.REFUSED
    verdict = judged(GOOD, roots=only_root, chain=(der(VENDOR.issuer.certificate),))
    assert verdict.klass is EkClass.VENDOR_TRUSTED


def test_what_the_device_brings_is_never_a_root() -> None:
    rogue = TpmVendor()
    chain = tuple(der(one) for one in rogue.store)
    verdict = judged(rogue.issuer.issue_ek(EK), chain=chain)
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_an_intermediate_in_the_store_is_no_root() -> None:
    verdict = judged(GOOD, roots=[VENDOR.issuer.certificate])
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_a_path_is_found_among_several_of_the_same_name() -> None:
    namesake = Issuer(VENDOR.issuer.subject, VENDOR.root)
    store = [namesake.certificate, *VENDOR.store]
    assert judged(GOOD, roots=store).klass is EkClass.VENDOR_TRUSTED


def _issued_by(extensions: tuple[Extension, ...], days: tuple[int, int]) -> EkVerdict:
    """An EK certificate, good in itself, from such an issuer under the true root."""
    issuer = Issuer("odd issuer", VENDOR.root, extensions, days)
    roots = [VENDOR.root.certificate, issuer.certificate]
    return judged(issuer.issue_ek(EK), roots=roots)


ALWAYS = (-1000, 10000)
NO_SUB_CA = x509.BasicConstraints(ca=True, path_length=0)
ODD_ISSUERS: dict[str, tuple[tuple[Extension, ...], tuple[int, int]]] = {
    "not a CA": (((NO_CA, True), (ISSUING, True)), ALWAYS),
    "without basic constraints": (((ISSUING, True),), ALWAYS),
    "whose key usage is signing data": (((CA, True), (SIGNING, True)), ALWAYS),
    "expired": (CA_EXTENSIONS, (-1000, -1)),
    "not yet valid": (CA_EXTENSIONS, (1, 1000)),
}


@pytest.mark.parametrize("issuer", ODD_ISSUERS)
def test_no_path_leads_through_an_issuer(issuer: str) -> None:
    assert _issued_by(CA_EXTENSIONS, ALWAYS).klass is EkClass.VENDOR_TRUSTED
    verdict = _issued_by(*ODD_ISSUERS[issuer])
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_a_path_length_is_kept() -> None:
    short = Issuer("short", VENDOR.root, ((NO_SUB_CA, True), (ISSUING, True)))
    below = Issuer("below", short)
    certificate = below.issue_ek(EK)
    roots = [VENDOR.root.certificate, short.certificate, below.certificate]
    verdict = judged(certificate, roots=roots)
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


@dataclass(frozen=True)
class Bad:
    code: EkCode
    make: Callable[[], bytes]


def _without(kind: type[x509.ExtensionType], *instead: Extension) -> bytes:
    rest = tuple(one for one in EK_EXTENSIONS if not isinstance(one[0], kind))
    return VENDOR.issuer.issue_ek(EK, (*rest, *instead))


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.9.9"), b"\5\0")
TLS_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
FORGERIES = {
    "another key": Bad(
        EkCode.CERTIFICATE_OF_ANOTHER_KEY, lambda: VENDOR.issuer.issue_ek(OTHER)
    ),
    "a CA": Bad(
        EkCode.CERTIFICATE_WRONG_PURPOSE,
        lambda: _without(x509.BasicConstraints, (CA, True)),
    ),
    "signing data": Bad(
        EkCode.CERTIFICATE_WRONG_PURPOSE,
        lambda: _without(x509.KeyUsage, (SIGNING, True)),
    ),
    "issuing": Bad(
        EkCode.CERTIFICATE_WRONG_PURPOSE,
        lambda: _without(x509.KeyUsage, (ISSUING, True)),
    ),
    "a TLS server": Bad(
        EkCode.CERTIFICATE_WRONG_PURPOSE,
        lambda: _without(x509.ExtendedKeyUsage, (TLS_SERVER, False)),
    ),
    "any key of the vendor's": Bad(
        EkCode.CERTIFICATE_WRONG_PURPOSE,
        lambda: VENDOR.issuer.issue_ek(EK, EK_EXTENSIONS[:2]),
    ),
    "no DER": Bad(EkCode.CERTIFICATE_UNREADABLE, lambda: GOOD[:-1]),
    "too long": Bad(EkCode.CERTIFICATE_UNREADABLE, lambda: GOOD + bytes(8192)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_false_certificate_is_refused_even_with_a_passport(forgery: str) -> None:
    bad = FORGERIES[forgery]
    verdict = judged(bad.make(), passport=passport_of(EK))
    assert verdict.klass is EkClass.REFUSED
    assert [one.code for one in verdict.reasons] == [bad.code]
    assert verdict.reasons[0].remedy


def test_an_older_certificate_says_by_its_tpms_name_what_it_is_for() -> None:
    verdict = judged(_without(x509.ExtendedKeyUsage))
    assert verdict.klass is EkClass.VENDOR_TRUSTED


def test_a_critical_extension_we_do_not_know_breaks_the_path() -> None:
    certificate = VENDOR.issuer.issue_ek(EK, (*EK_EXTENSIONS, (UNKNOWN, True)))
    verdict = judged(certificate)
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_a_certificate_of_a_key_and_curve_fdo_does_not_know_is_refused() -> None:
    odd = ec.generate_private_key(ec.SECP521R1()).public_key()
    verdict = judged(VENDOR.issuer.issue_ek(odd))
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_OF_ANOTHER_KEY


@pytest.mark.parametrize("now", [NOW - YEAR, NOW + 11 * YEAR])
def test_dates_count_at_the_time_given(now: int) -> None:
    verdict = judged(GOOD, now=now)
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_DATES
    year = datetime.fromtimestamp(NOW + 10 * YEAR, UTC).year
    assert f"to {year}" in verdict.reasons[0].sentence


def test_another_tpm_than_the_passports_is_refused_though_a_vendor_made_it() -> None:
    verdict = judged(GOOD, passport=passport_of(OTHER))
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.PASSPORT_MISMATCH


def test_the_passport_does_not_lower_a_vendors_certificate() -> None:
    assert judged(GOOD, passport=passport_of(EK)).klass is EkClass.VENDOR_TRUSTED


WITHOUT_PATH: dict[str, bytes | None] = {
    "no certificate": None,
    "unknown vendor": TpmVendor().issuer.issue_ek(EK),
    "expired": VENDOR.issuer.issue_ek(EK, days=(-30, -1)),
}


@pytest.mark.parametrize("case", WITHOUT_PATH)
def test_a_passport_or_an_operators_word_stands_in_for_a_path(case: str) -> None:
    certificate = WITHOUT_PATH[case]
    by_passport = judged(certificate, passport=passport_of(EK))
    by_hand = judged(certificate, accepted=(key_digest(EK),))
    assert by_passport.klass is EkClass.PASSPORT_TRUSTED
    assert by_hand.klass is EkClass.ACCEPTED_ONCE
    assert by_passport.reasons
    assert by_passport.reasons == by_hand.reasons


def test_a_key_that_was_refused_by_hand_is_refused_whatever_vouches_for_it() -> None:
    by_hand, ek = (key_digest(EK),), EkEvidence(EK, GOOD)
    assert judge(ek, VENDOR.trust, None, NOW).klass is EkClass.VENDOR_TRUSTED
    for passport in (None, passport_of(EK)):
        verdict = judge(ek, VENDOR.trust, passport, NOW, by_hand, by_hand)
        assert verdict.klass is EkClass.REFUSED
        assert [one.code for one in verdict.reasons] == [EkCode.REFUSED_BY_HAND]


def test_nothing_is_trusted_on_first_use() -> None:
    assert judged(None).klass is EkClass.NO_CERTIFICATE
    assert judged(WITHOUT_PATH["unknown vendor"]).klass is EkClass.REFUSED
    assert judged(None, accepted=(key_digest(OTHER),)).klass is EkClass.NO_CERTIFICATE


def test_an_empty_trust_store_trusts_no_one() -> None:
    verdict = judged(GOOD, roots=[])
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_a_root_is_kept_as_it_came() -> None:
    root = VENDOR.root.certificate
    assert load_root(der(root)) == EkRoot(der(root), root)


@pytest.mark.parametrize(
    "data", [b"", b"-----BEGIN CERTIFICATE-----\n", GOOD, GOOD[:-1]]
)
def test_what_is_no_authority_is_not_taken_as_a_root(data: bytes) -> None:
    with pytest.raises(PolicyError):
        load_root(data)


def test_what_the_certificate_says_of_the_tpm_may_be_unreadable() -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.9"), b"\x30\x05")
    rest = [one for one in EK_EXTENSIONS if one[0] is not TPM_NAME]
    verdict = judged(VENDOR.issuer.issue_ek(EK, [*rest, (odd, False)]))
    assert (verdict.klass, verdict.tpm) == (EkClass.VENDOR_TRUSTED, None)


def test_a_long_name_is_cut_for_the_record() -> None:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, "n" * 60)] * 60
    issuer = Issuer("long", VENDOR.root)
    issuer.issuer_name = x509.Name(parts)
    verdict = judged(issuer.issue_ek(EK), passport=passport_of(EK))
    assert verdict.klass is EkClass.PASSPORT_TRUSTED
    assert len(verdict.reasons[0].sentence) < 512
