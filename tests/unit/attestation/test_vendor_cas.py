"""What TPM vendors really issue: CAs, some of them not in DER, and chips below them."""

import datetime
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.ca_path import EK_PURPOSE, PathSearch
from attestation.ek_bundle import EkBundle
from attestation.ek_certificate import certified_path
from attestation.ek_leaf import read_leaf
from attestation.ek_root import EkRoot, load_root, told
from attestation.ek_store import EkTrust
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkCode, EkNoteCode, EkVerdict
from attestation.errors import PolicyError
from attestation.odd_certificate import read_certificate
from ownership_vouchers.keys import certificate_key
from tests.support.ek_authority import CA, ISSUING, NOW, Issuer, der
from tests.support.odd_certificates import reissued, serial

FILES = Path(__file__).parents[2] / "vectors" / "ek" / "vendors"
BUNDLE = EkBundle.decode((FILES / "cas.pem").read_bytes())
ROOTS = tuple(load_root(one) for one in BUNDLE.certificates)
TRUST = EkTrust(ROOTS)
ODD = {
    **dict.fromkeys(
        (f"Nuvoton TPM Root CA {n}" for n in ("0100", 1110, 1111, 2110, 2111, 2112)),
        EkNoteCode.SET_ORDER,
    ),
    "www.intel.com": EkNoteCode.NULL_AFTER,
}
CHIPS = {
    "st-rsa": [EkNoteCode.BYTES_AFTER],
    "st-ecc": [],
    "nuvoton-2111": [EkNoteCode.SET_ORDER, EkNoteCode.SET_ORDER],
}
DAY = int(datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC).timestamp())


def _common_name(root: EkRoot) -> str:
    found = root.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value)


def _chip(name: str) -> bytes:
    return bytes.fromhex((FILES / f"{name}.hex").read_text())


def _judged(certificate: bytes, trust: EkTrust = TRUST) -> EkVerdict:
    key = certificate_key(read_leaf(certificate).certificate)
    return judge(EkEvidence(key, certificate), trust, None, DAY)


def test_vendors_certificates_are_read_and_how_they_differ_is_known() -> None:
    found = {_common_name(one): one.notes for one in ROOTS if one.is_odd}
    assert {name: [one.code for one in notes] for name, notes in found.items()} == {
        name: [code] for name, code in ODD.items()
    }
    assert len(ROOTS) == 191


WITHOUT_PATH = {
    "IFX TPM EK Intermediate CA": 11,  # signed with SHA-1
    "IFX TPM EK Root CA": 1,  # below a root of VeriSign's
    "AMD Pluton Global Factory ICA": 1,  # below a root that AMD does not publish
    "AMD Pluton Per-Product Factory": 10,
    "Aliyun TPM EKMF CA": 1,  # the root is not in the list
    "Nationz TPM Manufacturing CA": 1,
}


def test_every_issuer_leads_to_a_root_if_that_is_there_and_signs_with_sha_2() -> None:
    anchors = [one for one in TRUST.certificates if one.issuer == one.subject]
    others = [one for one in TRUST.certificates if one.issuer != one.subject]
    at = datetime.datetime.fromtimestamp(DAY, datetime.UTC)
    lost: Counter[str] = Counter()
    for one in ROOTS:
        search = PathSearch(anchors, others, at, EK_PURPOSE)
        found = search.path_of(read_certificate(one.encoded))
        if found is None and one.certificate not in anchors:
            name = _common_name(one)
            lost[next(known for known in WITHOUT_PATH if name.startswith(known))] += 1
    assert lost == WITHOUT_PATH


def test_a_root_is_known_by_the_bytes_that_came() -> None:
    assert TRUST.digest == BUNDLE.digest
    odd = [one for one in ROOTS if one.is_odd]
    assert all(der(one.certificate) != one.encoded for one in odd)


@pytest.mark.parametrize("name", CHIPS)
def test_a_real_chip_is_its_vendors(name: str) -> None:
    verdict = _judged(_chip(name))
    assert verdict.klass is EkClass.VENDOR_TRUSTED
    codes = [one.code for one in verdict.notes if one.code is not EkNoteCode.CRL_NONE]
    assert codes == CHIPS[name]


def test_the_notes_of_a_verdict_tell_the_chips_oddities_from_its_roots() -> None:
    verdict = _judged(_chip("nuvoton-2111"))
    chip, root = (one for one in verdict.notes if one.code is EkNoteCode.SET_ORDER)
    assert (chip.sentence, root.sentence) == (
        "the parts of a set are not in order",
        f"in the certificate of {verdict.chain[1]}: {chip.sentence}",
    )


def test_a_chip_of_an_odd_root_needs_that_root() -> None:
    others = [one for one in ROOTS if _common_name(one) != "Nuvoton TPM Root CA 2111"]
    verdict = _judged(_chip("nuvoton-2111"), EkTrust(tuple(others)))
    assert verdict.reasons[0].code is EkCode.CERTIFICATE_NO_PATH


def test_no_chip_outlives_its_odd_root() -> None:
    root = next(one for one in ROOTS if _common_name(one).endswith("2111"))
    after = int(root.certificate.not_valid_after_utc.timestamp()) + 1
    leaf = read_leaf(_chip("nuvoton-2111"))
    key = certificate_key(leaf.certificate)
    assert judge(EkEvidence(key, _chip("nuvoton-2111")), TRUST, None, after).reasons


def _oddly(issuer: Issuer, certificate: x509.Certificate) -> bytes:
    """That certificate with the serial number 0, and signed so."""
    return reissued(issuer, der(certificate), serial(b"\0"))


EK = ec.generate_private_key(ec.SECP256R1()).public_key()
ROOT = Issuer("odd root")


def test_a_chip_in_due_form_may_come_from_an_odd_root() -> None:
    odd = load_root(_oddly(ROOT, ROOT.certificate))
    assert [one.code for one in odd.notes] == [EkNoteCode.SERIAL_ZERO]
    trust = EkTrust((odd,))
    leaf = read_leaf(ROOT.issue_ek(EK))
    assert not leaf.notes
    path = certified_path(EK, leaf, (), trust, NOW)
    assert path.certificates[-1] == odd.certificate
    between = Issuer("between", ROOT, ((CA, True), (ISSUING, True)))
    below = read_leaf(between.issue_ek(EK))
    path = certified_path(EK, below, (der(between.certificate),), trust, NOW)
    assert [told(one.subject) for one in path.certificates[1:]] == [
        "CN=between",
        "CN=odd root",
    ]


def _no_authority() -> bytes:
    alone = Issuer("odd root", extensions=())
    return _oddly(alone, alone.certificate)


REFUSED: dict[str, Callable[[], bytes]] = {
    "one between": lambda: _oddly(ROOT, Issuer("between", ROOT).certificate),
    "with another's signature": lambda: _oddly(Issuer("odd root"), ROOT.certificate),
    "bytes after it": lambda: der(ROOT.certificate) + b"\0",
    "no authority": _no_authority,
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_other_certificate_may_be_odd(case: str) -> None:
    with pytest.raises(PolicyError):
        load_root(REFUSED[case]())
