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
    read_fields,
    read_signed,
    require_device,
    sign_document,
    signed_payload,
)
from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.cose import Sign1
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


@dataclass(frozen=True, slots=True)
class ClaimedRequest:
    """What claims to be a device's request; no proof, but whose key is to be asked."""

    _signed: Sign1 = field(repr=False)
    _request: DeviceRequest

    @property
    def guid(self) -> Guid:
        """Which device it claims to come from."""
        return self._request.guid

    def proven(self, device_key: VerifyKey, purpose: Purpose) -> DeviceRequest:
        """Return it as a request of the device of that key for ``purpose``.

        Raises:
            DocumentRefused: Not signed by ``device_key``, or for another purpose.
        """
        signed_payload(self._signed, device_key)
        request = self._request
        if request.purpose is not purpose:
            raise DocumentRefused(
                DocumentFault.WRONG_PURPOSE,
                f"the request is for {request.purpose.value}, not {purpose.value}",
            )
        return request


def claimed_request(data: bytes) -> ClaimedRequest:
    """Read a request, to find the key to check it with.

    Raises:
        DocumentRefused: Not a device request.
    """
    signed = read_signed(ContentType.DEVICE_REQUEST, data, MAX_REQUEST)
    return ClaimedRequest(signed, _decode(signed.payload))


def open_request(
    data: bytes, device_key: VerifyKey, purpose: Purpose, guid: Guid
) -> DeviceRequest:
    """Return the request of device ``guid`` for ``purpose``, its signature checked.

    Raises:
        DocumentRefused: Malformed, not signed by ``device_key``, for another purpose
            or of another device.
    """
    claimed = claimed_request(data)
    require_device(claimed.guid, guid)
    return claimed.proven(device_key, purpose)


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
