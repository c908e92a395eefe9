"""Taking a workload back: the owner's order, and the device's signed reports.

The order says what to remove and why; the report answers that very order, so a report
kept from an earlier removal proves nothing about this one.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.documents import (
    ContentType,
    digest_bytes,
    guid_of,
    malformed,
    open_document,
    require_device,
    sign_document,
    texts,
)
from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

NONCE_SIZE = 16
_DOMAIN = b"vouchgate removal order 1\0"
MAX_PATHS = 256


@dataclass(frozen=True, slots=True)
class RemovalOrder:
    """The owner's order to remove a manifest (digest: 64 hexadecimal digits)."""

    guid: Guid
    manifest_digest: str
    reason: str
    issued_at: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What a device removed on an order, and what it could not remove."""

    guid: Guid
    manifest_digest: str
    order_nonce: bytes
    removed: tuple[str, ...]
    remaining: tuple[str, ...]
    at: int


@unique
class WorkloadStatus(StrEnum):
    """What became of a manifest on the device."""

    APPLIED = "applied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a device did with a manifest it fetched."""

    guid: Guid
    manifest_digest: str
    status: WorkloadStatus
    paths: tuple[str, ...]
    detail: str
    at: int


def order_nonce(guid: Guid, withdrawn_at: int, decision_id: str) -> bytes:
    """Name an order by what it takes back: whoever knows that, knows the order."""
    named = guid.raw + withdrawn_at.to_bytes(8, "big") + decision_id.encode()
    return hashlib.sha256(_DOMAIN + named).digest()[:NONCE_SIZE]


def sign_order(order: RemovalOrder, signer: Signer) -> bytes:
    """Sign ``order`` with the owner's key."""
    fields = {
        1: order.guid.raw,
        2: digest_bytes(order.manifest_digest),
        3: order.reason,
        4: order.issued_at,
        5: cbor.bstr(order.nonce, NONCE_SIZE),
    }
    return sign_document(ContentType.REMOVAL_ORDER, fields, signer)


def open_order(
    data: bytes, owner_key: VerifyKey, *, guid: Guid, applied_at: int = 0
) -> RemovalOrder:
    """Return the owner's order to device ``guid``.

    Args:
        applied_at: When the device's present ticket was issued, by the owner's clock:
            an older order was for an earlier stay and is refused.

    Raises:
        DocumentRefused: Malformed, not the owner's, for another device, superseded.
    """
    fields = open_document(ContentType.REMOVAL_ORDER, data, owner_key, 5)
    try:
        order = RemovalOrder(
            guid_of(fields[1]),
            cbor.bstr(fields[2], 32).hex(),
            cbor.tstr(fields[3], 1024),
            cbor.uint(fields[4], 63),
            cbor.bstr(fields[5], NONCE_SIZE),
        )
    except VoucherError as error:
        raise malformed(error) from error
    require_device(order.guid, guid)
    if order.issued_at < applied_at:
        raise DocumentRefused(
            DocumentFault.SUPERSEDED, "the order is older than the present release"
        )
    return order


def sign_removal_report(report: RemovalReport, signer: Signer) -> bytes:
    """Sign ``report`` with the device key."""
    fields = {
        1: report.guid.raw,
        2: digest_bytes(report.manifest_digest),
        3: cbor.bstr(report.order_nonce, NONCE_SIZE),
        4: list(report.removed),
        5: list(report.remaining),
        6: report.at,
    }
    return sign_document(ContentType.REMOVAL_REPORT, fields, signer)


def open_removal_report(
    data: bytes, device_key: VerifyKey, order: RemovalOrder
) -> RemovalReport:
    """Return the device's answer to ``order``; what remains is the caller's to judge.

    Raises:
        DocumentRefused: Malformed, not that device's, or on another order.
    """
    fields = open_document(ContentType.REMOVAL_REPORT, data, device_key, 6)
    try:
        report = RemovalReport(
            guid_of(fields[1]),
            cbor.bstr(fields[2], 32).hex(),
            cbor.bstr(fields[3], NONCE_SIZE),
            texts(fields[4], MAX_PATHS),
            texts(fields[5], MAX_PATHS),
            cbor.uint(fields[6], 63),
        )
    except VoucherError as error:
        raise malformed(error) from error
    require_device(report.guid, order.guid)
    if report.manifest_digest != order.manifest_digest:
        raise DocumentRefused(
            DocumentFault.WRONG_MANIFEST, "the report is on another manifest"
        )
    if not hmac.compare_digest(report.order_nonce, order.nonce):
        raise DocumentRefused(
            DocumentFault.WRONG_ORDER, "the report answers another order"
        )
    return report


def proves_removal(report: RemovalReport, paths: tuple[str, ...]) -> bool:
    """Whether ``report`` says that every one of ``paths`` is gone."""
    return not report.remaining and bool(paths) and set(paths) <= set(report.removed)


def sign_report(report: DeviceReport, signer: Signer) -> bytes:
    """Sign ``report`` with the device key."""
    fields = {
        1: report.guid.raw,
        2: digest_bytes(report.manifest_digest),
        3: report.status.value,
        4: list(report.paths),
        5: report.detail,
        6: report.at,
    }
    return sign_document(ContentType.DEVICE_REPORT, fields, signer)


def open_report(data: bytes, device_key: VerifyKey, *, guid: Guid) -> DeviceReport:
    """Return what device ``guid`` says it did.

    Raises:
        DocumentRefused: Malformed, or not that device's.
    """
    fields = open_document(ContentType.DEVICE_REPORT, data, device_key, 6)
    try:
        report = DeviceReport(
            guid_of(fields[1]),
            cbor.bstr(fields[2], 32).hex(),
            _status(fields[3]),
            texts(fields[4], MAX_PATHS),
            cbor.tstr(fields[5], 2048),
            cbor.uint(fields[6], 63),
        )
    except VoucherError as error:
        raise malformed(error) from error
    require_device(report.guid, guid)
    return report


def _status(item: object) -> WorkloadStatus:
    text = cbor.tstr(item, 32)
    try:
        return WorkloadStatus(text)
    except ValueError as error:
        raise malformed(error) from error
