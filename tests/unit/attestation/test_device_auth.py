"""Requests signed by the device key."""

from dataclasses import replace

import pytest

from attestation.device_auth import (
    DeviceRequest,
    Purpose,
    claimed_request,
    open_request,
    sign_request,
)
from attestation.documents import ContentType, sign_document
from attestation.errors import DocumentFault, DocumentRefused
from tests.support.documents import GUID, KEY, KINDS, OTHER_GUID, REQUEST, SIGNER

DATA = sign_request(REQUEST, SIGNER)


def test_the_claimed_request_can_be_read_before_the_key_is_known() -> None:
    assert claimed_request(DATA).guid == GUID


def test_no_other_document_claims_a_guid() -> None:
    with pytest.raises(DocumentRefused) as refusal:
        claimed_request(KINDS[ContentType.DEVICE_REPORT].sign(SIGNER))
    assert refusal.value.code is DocumentFault.WRONG_TYPE


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {REQUEST.purpose}))
def test_a_request_is_for_one_purpose(purpose: Purpose) -> None:
    with pytest.raises(DocumentRefused) as refusal:
        open_request(DATA, KEY, purpose, GUID)
    assert refusal.value.code is DocumentFault.WRONG_PURPOSE


def test_a_request_is_from_one_device() -> None:
    with pytest.raises(DocumentRefused) as refusal:
        open_request(DATA, KEY, REQUEST.purpose, OTHER_GUID)
    assert refusal.value.code is DocumentFault.WRONG_DEVICE


def test_a_purpose_that_is_none_of_ours_is_refused() -> None:
    fields = {1: b"c", 2: GUID.raw, 3: "own the fleet", 4: b""}
    data = sign_document(ContentType.DEVICE_REQUEST, fields, SIGNER)
    with pytest.raises(DocumentRefused) as refusal:
        open_request(data, KEY, Purpose.WORKLOAD, GUID)
    assert refusal.value.code is DocumentFault.WRONG_PURPOSE


def test_a_long_measurement_list_fits() -> None:
    request = replace(REQUEST, body=bytes(1 << 20))
    data = sign_request(request, SIGNER)
    assert open_request(data, KEY, REQUEST.purpose, GUID) == request


def test_challenge_and_body_stay_out_of_logs() -> None:
    request = DeviceRequest(b"\x99" * 8, GUID, Purpose.ATTEST, b"\x77" * 8)
    assert "x99" not in repr(request)
    assert "x77" not in repr(request)
