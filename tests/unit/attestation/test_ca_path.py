"""Paths to a root: what vendors issue is taken, and what RFC 5280 forbids is not."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.ek_store import EkTrust
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkCode, EkVerdict
from tests.support.ek_authority import (
    CA,
    CA_EXTENSIONS,
    EK_EXTENSIONS,
    ISSUING,
    NO_CA,
    NOW,
    SIGNING,
    Extension,
    Issuer,
    der,
)
from tests.support.odd_certificates import reissued, serial

EK = ec.generate_private_key(ec.SECP256R1()).public_key()
POLICIES: Extension = (
    x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)]
    ),
    True,
)
PURPOSE, OTHER = (
    (x509.ExtendedKeyUsage([x509.ObjectIdentifier(one)]), True)
    for one in ("2.23.133.8.1", "2.23.133.8.3")
)
UNKNOWN: Extension = (
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.9.9"), b"\5\0"),
    True,
)
EXPLICIT: Extension = (x509.PolicyConstraints(0, None), True)
NARROW: Extension = (x509.NameConstraints([x509.DNSName("vendor.test")], None), True)
SHORT: Extension = (x509.BasicConstraints(ca=True, path_length=0), True)
MARKED = (*CA_EXTENSIONS, POLICIES)
PAST, FUTURE = (-60, -30), (30, 60)
ROOT = Issuer("root")


def _judged(certificate: bytes, *issuers: Issuer, root: Issuer = ROOT) -> EkVerdict:
    trust = EkTrust.of([root.certificate])
    brought = tuple(der(one.certificate) for one in issuers)
    return judge(EkEvidence(EK, certificate, brought), trust, None, NOW)


def _below(*extensions: Extension, days: tuple[int, int] = (-1000, 10000)) -> EkVerdict:
    issuer = Issuer("issuer", ROOT, extensions, days)
    return _judged(issuer.issue_ek(EK), issuer)


def test_critical_policies_of_an_issuer_are_no_hindrance() -> None:
    verdict = _below(*MARKED)
    assert verdict.klass is EkClass.VENDOR_TRUSTED
    assert verdict.chain == ("CN=test EK", "CN=issuer", "CN=root")


def test_an_issuer_that_lists_purposes_lists_this_one() -> None:
    assert _below(*MARKED, PURPOSE).klass is EkClass.VENDOR_TRUSTED


def test_they_may_be_anywhere_on_the_way() -> None:
    upper = Issuer("upper", ROOT, MARKED)
    lower = Issuer("lower", upper)
    verdict = _judged(lower.issue_ek(EK), upper, lower)
    assert verdict.klass is EkClass.VENDOR_TRUSTED
    root = Issuer("marked root", extensions=MARKED)
    assert _judged(root.issue_ek(EK), root=root).klass is EkClass.VENDOR_TRUSTED


def test_an_odd_leaf_takes_the_same_way() -> None:
    issuer = Issuer("issuer", ROOT, MARKED)
    odd = reissued(issuer, issuer.issue_ek(EK), serial(b"\0"))
    assert _judged(odd, issuer).klass is EkClass.VENDOR_TRUSTED
    root = Issuer("marked root", extensions=MARKED)
    odd = reissued(root, root.issue_ek(EK), serial(b"\0"))
    assert _judged(odd, root=root).klass is EkClass.VENDOR_TRUSTED


def _two_with_one_length() -> EkVerdict:
    upper = Issuer("upper", ROOT, (SHORT, (ISSUING, True), POLICIES))
    lower = Issuer("lower", upper, MARKED)
    return _judged(lower.issue_ek(EK), upper, lower)


def _of_another() -> EkVerdict:
    issuer, same = (Issuer("issuer", ROOT, MARKED) for _ in range(2))
    return _judged(issuer.issue_ek(EK), same)


def _leaf_unknown() -> EkVerdict:
    issuer = Issuer("issuer", ROOT, MARKED)
    return _judged(issuer.issue_ek(EK, (*EK_EXTENSIONS, UNKNOWN)), issuer)


def _round_and_round() -> EkVerdict:
    one = Issuer("one", Issuer("two"), MARKED)
    two = Issuer("two", one, MARKED)
    return _judged(two.issue_ek(EK), one, two)


def _without_root() -> EkVerdict:
    issuer = Issuer("issuer", Issuer("root"), MARKED)
    return _judged(issuer.issue_ek(EK), issuer)


REFUSED: dict[str, Callable[[], EkVerdict]] = {
    "a policy has to be asked for": lambda: _below(*MARKED, EXPLICIT),
    "names are constrained": lambda: _below(*MARKED, NARROW),
    "something else is critical": lambda: _below(*MARKED, UNKNOWN),
    "the issuer is for other certificates": lambda: _below(*MARKED, OTHER),
    "no authority": lambda: _below((NO_CA, True), (ISSUING, True), POLICIES),
    "not for issuing": lambda: _below((CA, True), (SIGNING, True), POLICIES),
    "without basic constraints": lambda: _below((ISSUING, True), POLICIES),
    "past": lambda: _below(*MARKED, days=PAST),
    "to come": lambda: _below(*MARKED, days=FUTURE),
    "more below than may be": _two_with_one_length,
    "the key of another": _of_another,
    "the leaf has something critical": _leaf_unknown,
    "in a circle": _round_and_round,
    "to a root that is not trusted": _without_root,
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_rest_is_asked_as_everywhere(case: str) -> None:
    verdict = REFUSED[case]()
    assert verdict.klass is EkClass.REFUSED
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_many_issuers_of_one_name_cost_so_many_signatures_and_no_more() -> None:
    right = Issuer("issuer", ROOT, MARKED)
    several = [Issuer("issuer", ROOT, MARKED) for _ in range(40)]
    certificates = [ROOT.certificate, *(one.certificate for one in several)]
    leaf = EkEvidence(EK, right.issue_ek(EK))
    late = EkTrust.of([*certificates, right.certificate])
    early = EkTrust.of([*certificates[:20], right.certificate])
    assert judge(leaf, early, None, NOW).klass is EkClass.VENDOR_TRUSTED
    assert judge(leaf, late, None, NOW).klass is EkClass.REFUSED
