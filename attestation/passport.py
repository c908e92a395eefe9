"""The passport: the manufacturer's word on which TPM a device left the factory with.

It travels beside the voucher and is signed by the manufacturer key that the voucher's
header names.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from attestation.documents import (
    ContentType,
    guid_of,
    malformed,
    open_document,
    require_device,
    sign_document,
)
from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import spki
from ownership_vouchers.types import Guid


@dataclass(frozen=True, slots=True)
class Passport:
    """One device as it left the factory.

    ``guid`` is the one of DI. ``ek_digest`` and ``device_key_digest`` are SHA-256 of
    the keys' DER SubjectPublicKeyInfo, 32 bytes; ``issued_at`` is seconds since 1970.
    """

    guid: Guid
    ek_digest: bytes
    serial: str
    profile: str
    device_key_digest: bytes
    issued_at: int


def key_digest(key: VerifyKey) -> bytes:
    """SHA-256 of the key's DER SubjectPublicKeyInfo, as passports hold it."""
    return hashlib.sha256(spki(key)).digest()


def issue(passport: Passport, signer: Signer) -> bytes:
    """Sign ``passport`` with the manufacturer's key."""
    fields = {
        1: passport.guid.raw,
        2: cbor.bstr(passport.ek_digest, 32),
        3: cbor.tstr(passport.serial, 128),
        4: cbor.tstr(passport.profile, 64),
        5: cbor.bstr(passport.device_key_digest, 32),
        6: cbor.uint(passport.issued_at, 63),
    }
    return sign_document(ContentType.PASSPORT, fields, signer)


def open_passport(
    data: bytes, manufacturer_keys: VerifyKey | Iterable[VerifyKey]
) -> Passport:
    """Return the passport, signed by one of ``manufacturer_keys``.

    Raises:
        DocumentRefused: Malformed, of another type, or signed by another key.
    """
    fields = open_document(ContentType.PASSPORT, data, manufacturer_keys, 6)
    try:
        return Passport(
            guid_of(fields[1]),
            cbor.bstr(fields[2], 32),
            cbor.tstr(fields[3], 128),
            cbor.tstr(fields[4], 64),
            cbor.bstr(fields[5], 32),
            cbor.uint(fields[6], 63),
        )
    except VoucherError as error:
        raise malformed(error) from error


def require_fit(passport: Passport, guid: Guid, device_key: VerifyKey) -> None:
    """Refuse a passport that is not of the voucher with this GUID and device key.

    For import, where the voucher still has its factory GUID. Later TO2 runs give new
    GUIDs; from then on the device key, which stays, ties the two.
    """
    require_device(passport.guid, guid)
    require_device_key(passport, device_key)


def require_device_key(passport: Passport, device_key: VerifyKey) -> None:
    """Refuse a passport of a device with another device key."""
    if not hmac.compare_digest(passport.device_key_digest, key_digest(device_key)):
        raise DocumentRefused(
            DocumentFault.WRONG_DEVICE_KEY, "the passport names another device key"
        )
