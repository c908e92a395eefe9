"""Bundles of TPM vendors' CAs: written, read, and refused where they contradict."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.ek_bundle import EkBundle, split_pem
from attestation.ek_store import EkTrust, load_crl
from attestation.errors import PolicyError
from tests.support.ek_authority import Issuer, TpmVendor, der

VENDOR, OTHER = TpmVendor(), TpmVendor()
DERS = [der(one) for one in (*VENDOR.store, *OTHER.store)]
CRLS = [VENDOR.root.crl(), OTHER.issuer.crl()]
BUNDLE = EkBundle.of("vendors", "2026.11", DERS, CRLS)
TEXT = BUNDLE.encode().decode()
EK = ec.generate_private_key(ec.SECP256R1()).public_key()


def test_a_bundle_is_read_as_it_was_written() -> None:
    assert EkBundle.decode(TEXT.encode()) == BUNDLE
    assert EkBundle.decode(TEXT.replace("\n", "\r\n").encode()) == BUNDLE


def test_order_and_words_make_no_difference() -> None:
    again = EkBundle.of("vendors", "2026.11", [*DERS[::-1], DERS[0]], CRLS[::-1])
    assert again == BUNDLE
    commented = TEXT.replace("\nCN=", "\nfrom the vendor's site: CN=")
    assert EkBundle.decode(commented.encode()) == BUNDLE


def test_a_store_that_holds_just_this_has_its_digest() -> None:
    certificates = (*VENDOR.store, *OTHER.store)
    crls = tuple(load_crl(one, certificates) for one in CRLS)
    trust = replace(EkTrust.of(certificates), crls=crls)
    assert trust.digest == BUNDLE.digest


def test_a_reader_of_pem_finds_the_certificates() -> None:
    loaded = x509.load_pem_x509_certificates(TEXT.encode())
    assert {der(one) for one in loaded} == set(DERS)
    assert split_pem(TEXT) == (list(BUNDLE.certificates), list(BUNDLE.crls))


def _without_first() -> str:
    start = TEXT.index("-----BEGIN CERTIFICATE")
    end = TEXT.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    return TEXT[:start] + TEXT[end:]


WRONG: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no head": lambda: TEXT[TEXT.index("\n\n") :],
    "another format": lambda: TEXT.replace("Bundle: 1", "Bundle: 2", 1),
    "no name": lambda: TEXT.replace("Name: vendors\n", ""),
    "name twice": lambda: TEXT.replace("Name: vendors", "Name: vendors\nName: b", 1),
    "a name with a slash": lambda: TEXT.replace("vendors", "../b", 1),
    "no version": lambda: TEXT.replace("Version: 2026.11", "Version: ", 1),
    "another digest": lambda: TEXT.replace("sha256:", "sha256:0", 1),
    "no digest": lambda: TEXT.replace(f"sha256:{BUNDLE.digest.hex()}", "", 1),
    "a certificate less": _without_first,
    "a part cut": lambda: TEXT[:-30],
    "a public key": lambda: f"{TEXT}-----BEGIN PUBLIC KEY-----\n",
    "letters of no base64": lambda: TEXT.replace("MII", "M!I", 1),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bundle_that_contradicts_itself_is_refused(case: str) -> None:
    text = WRONG[case]()
    assert text != TEXT
    with pytest.raises(PolicyError):
        EkBundle.decode(text.encode())


def test_a_bundle_is_of_authorities_and_their_lists() -> None:
    leaf = VENDOR.issuer.issue_ek(EK)
    for certificates, crls in (
        ([*DERS, leaf], []),
        ([], []),
        (DERS, [Issuer("nobody").crl()]),
        (DERS[:2], CRLS),
        ([DERS[0] * 2001], []),
    ):
        with pytest.raises(PolicyError):
            EkBundle.of("a", "1", certificates, crls)


def test_no_text_at_all_is_no_bundle() -> None:
    with pytest.raises(PolicyError):
        EkBundle.decode(b"\xff" + TEXT.encode())
    with pytest.raises(PolicyError):
        EkBundle.decode(bytes(16 * 1024 * 1024 + 1))
