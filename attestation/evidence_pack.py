"""The evidence pack: all that proves what happened to one device, in one signed file.

Everything in it stands as it was received or signed, so whoever has the file can check
each part without asking its maker (`pack_checks`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from attestation.audit_log import LoggedEvent
from attestation.device_identity import MAX_IDENTITY
from attestation.documents import (
    ContentType,
    malformed,
    open_document,
    read_fields,
    sign_document,
    texts,
    unverified_payload,
)
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

MAX_PACK = 16 * 1024 * 1024  # bytes
MAX_ITEMS = 400  # of each kind, the newest; all of them fit cbor.MAX_ITEMS
_LABELS = 12
_MAX_PART = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BoundKeys:
    """The TPM a device was last bound to: keys as TPM2B_PUBLIC, digests SHA-256.

    ``ek_notes`` are codes and sentences in turn; ``ek_trust`` is the digest of the
    trust store that judged the EK, empty where none is known. ``identity`` is a
    BoundIdentity, encoded, with the IAK's statement; empty where there is none.
    """

    ek_public: bytes
    ek_certificate: bytes
    ek_class: str
    klass: str
    ak_public: bytes
    passport_digest: bytes
    bound_at: int
    ek_notes: tuple[str, ...] = ()
    ek_trust: bytes = b""
    identity: bytes = field(default=b"", repr=False)

    def to_item(self) -> list[object]:
        return [
            self.ek_public,
            self.ek_certificate,
            self.ek_class,
            self.klass,
            self.ak_public,
            self.passport_digest,
            self.bound_at,
            list(self.ek_notes),
            self.ek_trust,
            self.identity,
        ]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError. Older packs lack the last part, or the last three."""
        parts = cbor.array(item, limit=10)
        newer: tuple[object, ...] = ([], b"", b"")
        given = (*parts, *newer[len(parts) - 7 :]) if len(parts) in (7, 9) else parts
        ek, certificate, ek_class, klass, ak, passport, at, notes, trust, identity = (
            cbor.array(given, 10)
        )
        return cls(
            cbor.bstr(ek, limit=4096),
            cbor.bstr(certificate, limit=8192),
            cbor.tstr(ek_class, 64),
            cbor.tstr(klass, 64),
            cbor.bstr(ak, limit=4096),
            cbor.bstr(passport, limit=32),
            cbor.uint(at, 63),
            texts(notes, 128, 1024),
            cbor.bstr(trust, limit=32),
            cbor.bstr(identity, limit=MAX_IDENTITY),
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """One quote as the TPM gave it, and the nonce that it answers."""

    nonce: bytes
    message: bytes = field(repr=False)  # TPMS_ATTEST
    signature: bytes = field(repr=False)  # TPMT_SIGNATURE
    pcr_blob: bytes = field(repr=False)  # layout: hw.pcr_blob

    def encode(self) -> bytes:
        return cbor.encode([self.nonce, self.message, self.signature, self.pcr_blob])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        parts = cbor.array(cbor.decode(data), 4)
        return cls(*(cbor.bstr(one, limit=4096) for one in parts))


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """One withdrawal: what names its order, and how it ended."""

    decision_id: str
    manifest_digest: bytes
    withdrawn_at: int
    removal: str

    def encode(self) -> bytes:
        named = [self.decision_id, self.manifest_digest]
        return cbor.encode([*named, self.withdrawn_at, self.removal])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError."""
        decision, digest, at, removal = cbor.array(cbor.decode(data), 4)
        return cls(
            cbor.tstr(decision, 64),
            cbor.bstr(digest, 32),
            cbor.uint(at, 63),
            cbor.tstr(removal, 32),
        )


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """What is known of one device. JSON parts are texts, the others bytes as signed.

    ``vouchers`` has the live one first; ``passport`` and ``checkpoint`` are empty where
    there is none; ``events`` are of this device, the oldest first.
    """

    guid: Guid
    made_at: int
    vouchers: tuple[bytes, ...] = field(repr=False)
    passport: bytes = field(repr=False)
    binding: BoundKeys | None
    policies: tuple[str, ...] = field(repr=False)
    appraisals: tuple[str, ...] = field(repr=False)
    quotes: tuple[bytes, ...] = field(repr=False)
    decisions: tuple[str, ...] = field(repr=False)
    reports: tuple[bytes, ...] = field(repr=False)
    withdrawals: tuple[Withdrawn, ...]
    events: tuple[LoggedEvent, ...] = field(repr=False)
    checkpoint: bytes = field(repr=False)

    def to_fields(self) -> dict[int, object]:
        binding = self.binding
        return {
            1: [self.guid.raw, self.made_at],
            2: list(self.vouchers),
            3: self.passport,
            4: None if binding is None else binding.to_item(),
            5: list(self.policies),
            6: list(self.appraisals),
            7: list(self.quotes),
            8: list(self.decisions),
            9: list(self.reports),
            10: [one.encode() for one in self.withdrawals],
            11: [_encoded(one) for one in self.events],
            12: self.checkpoint,
        }


def sign_pack(pack: EvidencePack, signer: Signer) -> bytes:
    """Sign ``pack`` with the owner's key."""
    return sign_document(ContentType.EVIDENCE_PACK, pack.to_fields(), signer)


def open_pack(data: bytes, keys: VerifyKey | Iterable[VerifyKey]) -> EvidencePack:
    """Return a pack that one of ``keys`` signed.

    Raises:
        DocumentRefused: Malformed, too large, of another type, or another key's.
    """
    return _pack(
        open_document(ContentType.EVIDENCE_PACK, data, keys, _LABELS, MAX_PACK)
    )


def unverified_pack(data: bytes) -> EvidencePack:
    """Return what a pack claims, to find the key to check it with.

    Raises:
        DocumentRefused: Malformed, too large, or of another type.
    """
    payload = unverified_payload(ContentType.EVIDENCE_PACK, data, MAX_PACK)
    return _pack(read_fields(payload, _LABELS))


def _pack(fields: dict[object, object]) -> EvidencePack:
    try:
        guid, made_at = cbor.array(fields[1], 2)
        binding = fields[4]
        return EvidencePack(
            Guid(cbor.bstr(guid)),
            cbor.uint(made_at, 63),
            _parts(fields[2]),
            cbor.bstr(fields[3], limit=_MAX_PART),
            None if binding is None else BoundKeys.from_item(binding),
            _texts(fields[5]),
            _texts(fields[6]),
            _parts(fields[7]),
            _texts(fields[8]),
            _parts(fields[9]),
            tuple(map(Withdrawn.decode, _parts(fields[10]))),
            tuple(map(_event, _parts(fields[11]))),
            cbor.bstr(fields[12], limit=_MAX_PART),
        )
    except VoucherError as error:
        raise malformed(error) from error


def _parts(item: object) -> tuple[bytes, ...]:
    found = cbor.array(item, limit=MAX_ITEMS)
    return tuple(cbor.bstr(one, limit=_MAX_PART) for one in found)


def _texts(item: object) -> tuple[str, ...]:
    found = cbor.array(item, limit=MAX_ITEMS)
    return tuple(cbor.tstr(one, limit=_MAX_PART) for one in found)


def _encoded(one: LoggedEvent) -> bytes:
    fields = [
        one.seq,
        one.guid,
        one.cause,
        one.actor,
        one.at,
        one.evidence_digest,
        one.detail,
        one.previous,
        one.digest,
    ]
    return cbor.encode(fields)


def _event(data: bytes) -> LoggedEvent:
    seq, guid, cause, actor, at, evidence, detail, previous, digest = cbor.array(
        cbor.decode(data), 9
    )
    return LoggedEvent(
        cbor.uint(seq, 63),
        None if guid is None else cbor.bstr(guid, 16),
        cbor.tstr(cause, 64),
        cbor.tstr(actor, 256),
        cbor.uint(at, 63),
        None if evidence is None else cbor.bstr(evidence, limit=64),
        cbor.tstr(detail, limit=_MAX_PART),
        cbor.bstr(previous, 32),
        cbor.bstr(digest, 32),
    )
