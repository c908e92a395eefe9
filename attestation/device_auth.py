"""A device's requests: signed by its device key over a challenge of ours.

The challenge's freshness and single use are the server's to check; this module says who
asked, for what, and that the body is the one that was signed.
"""

from dataclasses import dataclass, field
from enum import StrEnum, unique

from attestation.documents import (
    ContentType,
    guid_of,
    malformed,
    open_payload,
    read_fields,
    require_device,
    sign_document,
    unverified_payload,
)
from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

MAX_CHALLENGE = 128  # bytes
MAX_REQUEST = 4 * 1024 * 1024  # bytes; measurement lists are long


@unique
class Purpose(StrEnum):
    """The call a request is for; one signed for another is refused."""

    ATTEST = "attest"
    ENROL = "enrol"
    KEYLIME = "keylime"
    WORKLOAD = "workload"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """CBOR map ``{1: challenge, 2: guid, 3: purpose, 4: body}``, signed by the DAK."""

    challenge: bytes = field(repr=False)
    guid: Guid
    purpose: Purpose
    body: bytes = field(repr=False, default=b"")


def sign_request(request: DeviceRequest, signer: Signer) -> bytes:
    """Sign ``request`` with the device key."""
    fields = {
        1: request.challenge,
        2: request.guid.raw,
        3: request.purpose.value,
        4: request.body,
    }
    return sign_document(ContentType.DEVICE_REQUEST, fields, signer)


def claimed_guid(data: bytes) -> Guid:
    """Return which device ``data`` claims to come from, to find its key. No proof.

    Raises:
        DocumentRefused: Not a device request.
    """
    return _decode(
        unverified_payload(ContentType.DEVICE_REQUEST, data, MAX_REQUEST)
    ).guid


def open_request(
    data: bytes, device_key: VerifyKey, purpose: Purpose, guid: Guid
) -> DeviceRequest:
    """Return the request of device ``guid`` for ``purpose``, its signature checked.

    Raises:
        DocumentRefused: Malformed, not signed by ``device_key``, for another purpose
            or of another device.
    """
    payload = open_payload(ContentType.DEVICE_REQUEST, data, device_key, MAX_REQUEST)
    request = _decode(payload)
    require_device(request.guid, guid)
    if request.purpose is not purpose:
        raise DocumentRefused(
            DocumentFault.WRONG_PURPOSE,
            f"the request is for {request.purpose.value}, not {purpose.value}",
        )
    return request


def _decode(payload: bytes) -> DeviceRequest:
    fields = read_fields(payload, 4)
    try:
        return DeviceRequest(
            cbor.bstr(fields[1], limit=MAX_CHALLENGE),
            guid_of(fields[2]),
            _purpose(fields[3]),
            cbor.bstr(fields[4], limit=MAX_REQUEST),
        )
    except VoucherError as error:
        raise malformed(error) from error


def _purpose(item: object) -> Purpose:
    text = cbor.tstr(item, 32)
    try:
        return Purpose(text)
    except ValueError as error:
        raise DocumentRefused(
            DocumentFault.WRONG_PURPOSE, "the request is for no call of ours"
        ) from error
