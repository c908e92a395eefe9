"""Answers about vouchers, from import to sale."""

from typing import NotRequired

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Document, Guid, Seconds


class VoucherLineOut(TypedDict):
    """A voucher as a list shows it."""

    guid: Guid
    serial: str
    device_info: str
    owner_fingerprint: Digest
    entries: int
    has_passport: bool
    added_at: Seconds
    retired: bool


class PassportReadOut(TypedDict):
    """What a passport says, and by whose key; ``error`` if it was altered since."""

    issuer_fingerprint: Digest
    error: str | None
    guid: NotRequired[Guid]
    serial: NotRequired[str]
    profile: NotRequired[str]
    ek_digest: NotRequired[Digest]
    device_key_digest: NotRequired[Digest]
    issued_at: NotRequired[Seconds]


class VoucherOut(TypedDict):
    """One voucher, with everything that can be read from it."""

    guid: Guid
    serial: str
    device_info: str
    owner_fingerprint: Digest
    entries: int
    has_passport: bool
    passport: PassportReadOut | None
    added_at: Seconds
    superseded: bool
    voucher: Document


class ImportItemOut(TypedDict):
    """What became of one voucher of a file, and which check it failed."""

    index: int
    guid: Guid | None
    status: str
    passport: str
    code: str | None
    detail: str | None


class ImportedOut(TypedDict):
    """How many vouchers there were of each outcome, and each result."""

    imported: int
    extended: int
    unchanged: int
    refused: int
    results: list[ImportItemOut]


class SoldOut(TypedDict):
    """A voucher that was signed over, for the buyer."""

    guid: Guid
    entries: int
    owner_fingerprint: Digest
    pem: str


class HandedOverOut(TypedDict):
    """What became of one voucher of several."""

    guid: Guid
    status: str
    serial: str | None
    code: str | None
    detail: str | None


class HandOverOut(TypedDict):
    """What became of each voucher; ``pem`` has those that were signed over."""

    extended: int
    refused: int
    results: list[HandedOverOut]
    next: str | None
    pem: str


class CredentialOut(TypedDict):
    """What the next TO2 will make of a device's credential."""

    guid: Guid
    mode: str
    set_for: str
    directives: list[Document] | None
    owner_fingerprint: Digest | None


class AncestorOut(TypedDict):
    """A voucher that is kept of a device."""

    guid: Guid
    standing: str
    owner_fingerprint: Digest
    entries: int
    added_at: Seconds
    replaced_by: Guid | None
    replaced_at: Seconds | None


class RecoveredOut(TypedDict):
    """Whether another voucher is served now."""

    guid: Guid
    recovered: bool


class PassportOut(TypedDict):
    """A signed passport, base64url."""

    guid: Guid
    passport: str
