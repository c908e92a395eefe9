"""Passports: issued at the factory, kept beside the voucher, opened by the owner.

What is kept is the passport with the key it was verified under: TO2 replaces
the voucher's manufacturer key with the owner's, the passport stays.
"""

from dataclasses import dataclass, field
from typing import Self

from attestation.documents import ContentType, guid_of, read_fields, unverified_payload
from attestation.errors import DocumentRefused
from attestation.passport import (
    Passport,
    issue,
    key_digest,
    open_passport,
    require_fit,
)
from hw.errors import HwError
from hw.profiles import profile
from hw.public_area import PublicArea
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import (
    certificate_key,
    load_certificate,
    load_spki,
    spki,
)
from ownership_vouchers.types import Guid
from ownership_vouchers.voucher import Voucher

_FIELDS = 6


@dataclass(frozen=True, slots=True)
class StoredPassport:
    """A passport and the SubjectPublicKeyInfo of whoever signed it."""

    issuer: bytes = field(repr=False)
    document: bytes = field(repr=False)

    def encode(self) -> bytes:
        return cbor.encode([self.issuer, self.document])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError on what ``encode`` did not write."""
        issuer, document = cbor.array(cbor.decode(data), 2)
        return cls(cbor.bstr(issuer), cbor.bstr(document))

    def open(self) -> Passport:
        """Raises DocumentRefused if the bytes were altered since."""
        return open_passport(self.document, load_spki(self.issuer))


def of_import(document: bytes, voucher: Voucher) -> tuple[StoredPassport, Passport]:
    """Check a passport that came with ``voucher``.

    Raises:
        DocumentRefused: Not signed by the voucher's manufacturer, or of another
            device.
    """
    issuer = voucher.header.manufacturer_key
    passport = open_passport(document, issuer.key)
    require_fit(passport, voucher.guid, voucher.device_key)
    return StoredPassport(issuer.spki, document), passport


def claimed_guid(document: bytes) -> Guid | None:
    """Return which device a passport claims to be of; None if unreadable."""
    try:
        fields = read_fields(
            unverified_payload(ContentType.PASSPORT, document), _FIELDS
        )
        return guid_of(fields[1])
    except (DocumentRefused, VoucherError):
        return None


@dataclass(frozen=True, slots=True)
class PassportData:
    """What the DI station read from a device; TPM2B_PUBLIC and DER."""

    guid: Guid
    serial: str
    profile: str
    ek_public: bytes
    ek_certificate: bytes | None


def issue_passport(
    context: Context, data: PassportData, actor: str
) -> tuple[bytes, bool]:
    """Return a device's passport, and whether it was made just now.

    Raises:
        Problem: 409 when another passport was issued, or the voucher is not of
            our making; 422 when the data are not those of a TPM.
        NotFound: There is no voucher of that GUID.
    """
    record = context.stores.vouchers.get(data.guid.raw)
    voucher = Voucher.from_cbor(record.cbor)
    digest = _ek_digest(data)
    if record.passport is not None:
        return _issued(StoredPassport.decode(record.passport), data, digest), False
    maker = voucher.header.manufacturer_key
    signer = context.signer(maker.fingerprint())
    if signer is None:
        raise Problem(409, "not-our-voucher", "The voucher was made with another key.")
    now = context.now()
    passport = Passport(
        data.guid,
        digest,
        data.serial,
        data.profile,
        key_digest(voucher.device_key),
        now,
    )
    document = issue(passport, signer)
    stored = StoredPassport(maker.spki, document).encode()
    context.stores.vouchers.set_passport(data.guid.raw, stored, actor, now)
    return document, True


def _issued(stored: StoredPassport, data: PassportData, digest: bytes) -> bytes:
    found = stored.open()
    same = (found.ek_digest, found.serial, found.profile)
    if same != (digest, data.serial, data.profile):
        raise Problem(
            409,
            "another-passport",
            "This device has a passport that says something else.",
            remedy="Make the device anew: DI gives it another GUID.",
        )
    return stored.document


def _ek_digest(data: PassportData) -> bytes:
    try:
        profile(data.profile)
        area = PublicArea.from_bytes(data.ek_public)
        area.require_endorsement_key()
        if data.ek_certificate is not None:
            _require_key(data.ek_certificate, area.key)
    except (HwError, VoucherError) as error:
        raise Problem(422, "not-an-endorsement-key", str(error)) from error
    return key_digest(area.key)


def _require_key(certificate: bytes, key: VerifyKey) -> None:
    found = certificate_key(load_certificate(certificate))
    if spki(found) != spki(key):
        raise Problem(422, "ek-certificate-of-another", "Certificate and EK differ.")
