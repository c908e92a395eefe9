"""The one envelope of every document we sign: COSE_Sign1 with its type inside.

The type stands in the protected header, so a document of one kind never passes for
another. Every payload is a CBOR map, which no FDO message signed by an owner or
manufacturer key is. Source: RFC 8152, sections 3.1 and 4.2.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum, unique

from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.cose import (
    LABEL_ALG,
    LABEL_CONTENT_TYPE,
    TAG_SIGN1,
    Sign1,
    sign1,
)
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.types import Guid

MAX_DOCUMENT = 16 * 1024  # bytes, unless a kind says otherwise
CLOCK_SKEW = 60  # seconds that two honest clocks may differ


@unique
class ContentType(StrEnum):
    """What a document says it is, in protected header 3."""

    PASSPORT = "application/vouchgate-passport+cbor"
    TICKET = "application/vouchgate-ticket+cbor"
    BUNDLE = "application/vouchgate-bundle+cbor"
    REMOVAL_ORDER = "application/vouchgate-removal-order+cbor"
    REMOVAL_REPORT = "application/vouchgate-removal-report+cbor"
    DEVICE_REPORT = "application/vouchgate-report+cbor"
    DEVICE_REQUEST = "application/vouchgate-device-request+cbor"
    CHECKPOINT = "application/vouchgate-audit-checkpoint+cbor"
    EVIDENCE_PACK = "application/vouchgate-evidence-pack+cbor"


def sign_document(
    kind: ContentType, fields: Mapping[int, object], signer: Signer
) -> bytes:
    """Sign ``fields`` as one document of ``kind``."""
    return sign_payload(kind, cbor.encode(dict(fields)), signer)


def sign_payload(kind: ContentType, payload: bytes, signer: Signer) -> bytes:
    """As ``sign_document``, for a map that is encoded already."""
    return sign1(signer, payload, content_type=kind.value).encode()


def open_document(
    kind: ContentType,
    data: bytes,
    keys: VerifyKey | Iterable[VerifyKey],
    labels: int,
    limit: int = MAX_DOCUMENT,
) -> dict[object, object]:
    """Return the map of fields ``1..labels``, its signature checked.

    Args:
        keys: The key that must have signed, or several of which one must.
        labels: The map has exactly the keys 1 to ``labels``.
        limit: Most bytes taken.

    Raises:
        DocumentRefused: MALFORMED, WRONG_TYPE or BAD_SIGNATURE.
    """
    payload = open_payload(kind, data, keys, limit)
    return read_fields(payload, labels)


def open_payload(
    kind: ContentType,
    data: bytes,
    keys: VerifyKey | Iterable[VerifyKey],
    limit: int = MAX_DOCUMENT,
) -> bytes:
    """As ``open_document``, but return the signed bytes themselves."""
    return signed_payload(read_signed(kind, data, limit), keys)


def signed_payload(sign: Sign1, keys: VerifyKey | Iterable[VerifyKey]) -> bytes:
    """Return the bytes that one of ``keys`` has signed.

    Raises:
        DocumentRefused: BAD_SIGNATURE; none has.
    """
    candidates = (keys,) if isinstance(keys, VerifyKey) else tuple(keys)
    if not any(_signed_by(sign, key) for key in candidates):
        raise DocumentRefused(
            DocumentFault.BAD_SIGNATURE, "no key that may sign this document did"
        )
    return sign.payload


def unverified_payload(
    kind: ContentType, data: bytes, limit: int = MAX_DOCUMENT
) -> bytes:
    """Return what a document claims, to find the key to check it with."""
    return read_signed(kind, data, limit).payload


def read_signed(kind: ContentType, data: bytes, limit: int = MAX_DOCUMENT) -> Sign1:
    """Return a document whose signature nobody has checked yet.

    Raises:
        DocumentRefused: MALFORMED or WRONG_TYPE.
    """
    sign = _read(data, limit)
    if sign.headers.get(LABEL_CONTENT_TYPE) != kind.value:
        raise DocumentRefused(
            DocumentFault.WRONG_TYPE, f"the document is not of type {kind.value}"
        )
    return sign


def read_fields(payload: bytes, labels: int) -> dict[object, object]:
    """Decode a map whose keys are exactly 1 to ``labels``."""
    try:
        fields = cbor.mapping(cbor.decode(payload))
    except VoucherError as error:
        raise malformed(error) from error
    if set(fields) != set(range(1, labels + 1)):
        raise DocumentRefused(
            DocumentFault.MALFORMED, "the document has not the fields of its type"
        )
    return fields


def malformed(error: Exception) -> DocumentRefused:
    """What a decoder's error becomes."""
    return DocumentRefused(DocumentFault.MALFORMED, f"not readable: {error}")


def require_device(named: Guid, expected: Guid) -> None:
    """Refuse a document that names another device."""
    if named != expected:
        raise DocumentRefused(
            DocumentFault.WRONG_DEVICE, f"the document is for {named}, not {expected}"
        )


def require_not_future(issued_at: int, now: int) -> None:
    """Refuse a document issued more than CLOCK_SKEW seconds ahead of ``now``."""
    if issued_at > now + CLOCK_SKEW:
        raise DocumentRefused(
            DocumentFault.NOT_YET, f"issued {issued_at - now} s ahead of our clock"
        )


def _read(data: bytes, limit: int) -> Sign1:
    if len(data) > limit:
        raise DocumentRefused(
            DocumentFault.MALFORMED, f"{len(data)} bytes, at most {limit} taken"
        )
    try:
        sign = _sign1(data, limit)
        headers = sign.headers
    except VoucherError as error:
        raise malformed(error) from error
    if set(headers) != {LABEL_ALG, LABEL_CONTENT_TYPE} or sign.unprotected:
        raise DocumentRefused(
            DocumentFault.WRONG_TYPE, "the headers are not those of our documents"
        )
    return sign


def _sign1(data: bytes, limit: int) -> Sign1:
    """As Sign1.from_cbor, with our own bound on the payload."""
    item = cbor.untag(cbor.decode(data), TAG_SIGN1, required=True)
    protected, unprotected, payload, signature = cbor.array(item, 4)
    return Sign1(
        cbor.bstr(protected, limit=256),
        cbor.mapping(unprotected),
        cbor.bstr(payload, limit=limit),
        cbor.bstr(signature, limit=512),
    )


def _signed_by(sign: Sign1, key: VerifyKey) -> bool:
    try:
        sign.verify(key)
    except VoucherError:
        return False
    return True


def guid_of(item: object) -> Guid:
    """Read a GUID field."""
    return Guid(cbor.bstr(item, 16))


def texts(item: object, limit: int, length: int = 255) -> tuple[str, ...]:
    """Read an array of at most ``limit`` texts."""
    return tuple(cbor.tstr(one, length) for one in cbor.array(item, limit=limit))


def digest_bytes(digest: str) -> bytes:
    """Turn 64 hexadecimal digits into the 32 bytes that documents carry.

    Raises:
        MalformedError: Anything else.
    """
    try:
        return cbor.bstr(bytes.fromhex(digest), 32)
    except ValueError as error:
        raise MalformedError("not a SHA-256 digest in hexadecimal") from error
