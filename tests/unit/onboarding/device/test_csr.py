"""Certificate requests signed through the device key's port."""

import pytest
from cryptography import x509

from hw.keys import new_soft_key
from onboarding.device.csr import certificate_request


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_a_request_is_signed_by_the_key_it_names(curve: str) -> None:
    key = new_soft_key(curve)
    request = x509.load_der_x509_csr(certificate_request(key, "sn-0001"))
    assert request.is_signature_valid
    assert request.public_key() == key.public_key
    assert request.subject.rfc4514_string() == "CN=sn-0001"
