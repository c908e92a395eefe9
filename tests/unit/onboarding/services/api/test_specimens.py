"""Every body that the OpenAPI document shows is one that our code takes, or makes."""

import pytest
from cryptography import x509

from attestation.audit_log import open_checkpoint
from attestation.device_auth import Purpose, open_request
from attestation.ek_bundle import EkBundle
from attestation.evidence_pack import open_pack
from attestation.passport import open_passport
from onboarding.services.api import specimens
from onboarding.services.api.examples import GUID
from ownership_vouchers import cbor
from ownership_vouchers.keys import load_spki
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.types import Guid
from tests.support.specimens import ANSWERS, REQUESTS, made

KNOWN = specimens.specimens()
SIGNER = load_spki(KNOWN["signer"])
DEVICE = Guid.parse(GUID)


def test_the_file_has_what_its_maker_makes() -> None:
    assert made().keys() == KNOWN.keys()


@pytest.mark.parametrize("kind", [specimens.PEM, "application/cbor"])
def test_a_voucher_is_whole_as_text_and_as_bytes(kind: str) -> None:
    shown = specimens.of_request("POST /api/v1/vouchers", kind)
    assert shown is not None
    data = KNOWN["voucher"] if kind != specimens.PEM else shown["value"].encode()
    (voucher,) = load_vouchers(data)
    assert voucher.encode() == KNOWN["voucher"]


def test_what_is_signed_is_opened_by_its_signer_and_of_the_device_that_is_shown() -> (
    None
):
    assert open_passport(KNOWN["passport"], SIGNER).guid == DEVICE
    assert open_pack(KNOWN["evidence_pack"], SIGNER).guid == DEVICE
    assert open_checkpoint(KNOWN["checkpoint"], SIGNER).seq > 0


@pytest.mark.parametrize("route", REQUESTS)
def test_a_device_s_request_is_for_what_its_route_is_for(route: str) -> None:
    purpose = Purpose(route.partition("_")[0])
    found = open_request(KNOWN[f"{route}_request"], SIGNER, purpose, DEVICE)
    assert cbor.decode(found.body) == REQUESTS[route]


@pytest.mark.parametrize("route", ANSWERS)
def test_a_device_is_answered_with_a_map(route: str) -> None:
    assert cbor.decode(KNOWN[f"{route}_answer"]) == ANSWERS[route]


def test_certificates_and_lists_of_them_are_read() -> None:
    bundle = EkBundle.decode(KNOWN["ek_bundle"])
    assert (len(bundle.certificates), len(bundle.crls)) == (1, 1)
    x509.load_pem_x509_crl(KNOWN["ek_crls"])
    request = x509.load_pem_x509_csr(KNOWN["device_ca_request"])
    assert request.is_signature_valid
