"""Certificate requests signed through the device key's port."""

import pytest
from cryptography import x509

from hw.keys import new_soft_key
from onboarding.device.csr import certificate_request
from ownership_vouchers.key_algorithm import KeyAlgorithm


@pytest.mark.parametrize("kind", KeyAlgorithm)
def test_a_request_is_signed_by_the_key_it_names(kind: KeyAlgorithm) -> None:
    key = new_soft_key(kind)
    request = x509.load_der_x509_csr(certificate_request(key, "sn-0001"))
    assert request.is_signature_valid
    assert request.public_key() == key.public_key
    hashing = request.signature_hash_algorithm
    assert hashing is not None
    assert hashing.name == ("sha384" if kind.strong else "sha256")
    assert ("rsassaPss" in str(request.signature_algorithm_oid)) is kind.pss
    assert request.subject.rfc4514_string() == "CN=sn-0001"
