"""The device's factory identity, IAK and IDevID, as it is shown and as it is kept."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Self

from attestation.binding_codes import malformed
from attestation.ek_verdict import MAX_CERTIFICATE, MAX_INTERMEDIATES
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.types import Guid

MAX_IDENTITY = 128 * 1024  # bytes, encoded
_MAX_AUTHORITIES = 6
_MAX_STRUCTURE = 1024  # bytes of a TPM structure
_DOMAIN = b"vouchgate binding 1: attestation key certified by IAK\0"


def identity_data(nonce: bytes, guid: Guid) -> bytes:
    """What the IAK's TPM2_Certify is given: SHA-256 of domain, nonce and GUID."""
    return hashlib.sha256(_DOMAIN + nonce + guid.raw).digest()


@unique
class IdentityClass(StrEnum):
    """How far the device's maker is known."""

    FACTORY_TRUSTED = "factory-trusted"  # a CA of the owner's choice certified the IAK
    UNKNOWN_MAKER = "unknown-maker"  # the IAK is in the TPM; who certified it is open


@dataclass(frozen=True, slots=True)
class ShownKey:
    """One certified key: TPM2B_PUBLIC, its certificate and those above it (DER)."""

    public: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(default=(), repr=False)

    def to_item(self) -> list[object]:
        return [self.public, self.certificate, list(self.chain)]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        public, certificate, chain = cbor.array(item, 3)
        above = cbor.array(chain, limit=MAX_INTERMEDIATES)
        return cls(
            cbor.bstr(public, limit=_MAX_STRUCTURE),
            cbor.bstr(certificate, limit=MAX_CERTIFICATE),
            tuple(cbor.bstr(one, limit=MAX_CERTIFICATE) for one in above),
        )


@dataclass(frozen=True, slots=True)
class IdentityEvidence:
    """Device to owner: both keys, and the IAK's certification of the AK.

    ``message`` is a TPMS_ATTEST without size, ``signature`` a TPMT_SIGNATURE.
    """

    iak: ShownKey
    idevid: ShownKey | None
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        idevid = None if self.idevid is None else self.idevid.to_item()
        shown = [self.iak.to_item(), idevid, self.message, self.signature]
        return cbor.encode(shown)

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on any other shape."""
        try:
            iak, idevid, message, signature = cbor.array(cbor.decode(data), 4)
            return cls(
                ShownKey.from_item(iak),
                None if idevid is None else ShownKey.from_item(idevid),
                cbor.bstr(message, limit=_MAX_STRUCTURE),
                cbor.bstr(signature, limit=_MAX_STRUCTURE),
            )
        except VoucherError as error:
            raise malformed(error) from error


@dataclass(frozen=True, slots=True)
class IakStatement:
    """What the IAK signed of the AK, and the nonce of ours in it."""

    nonce: bytes
    message: bytes = field(repr=False)  # TPMS_ATTEST
    signature: bytes = field(repr=False)  # TPMT_SIGNATURE

    def to_item(self) -> list[object]:
        return [self.nonce, self.message, self.signature]

    @classmethod
    def from_item(cls, item: object) -> Self:
        """Raises MalformedError."""
        nonce, message, signature = cbor.array(item, 3)
        return cls(
            cbor.bstr(nonce, limit=_MAX_STRUCTURE),
            cbor.bstr(message, limit=_MAX_STRUCTURE),
            cbor.bstr(signature, limit=_MAX_STRUCTURE),
        )


@dataclass(frozen=True, slots=True)
class BoundIdentity:
    """Proof that `identity_check.check_identity` ran: the IAK is in the AK's TPM.

    ``reason`` is empty where the maker is trusted; ``subject`` is the IAK
    certificate's. ``authorities`` are the owner's own certificates (DER) on the way
    from it to the CA that is trusted, that CA last. Bindings of older versions have
    neither them nor ``said``.
    """

    klass: IdentityClass
    reason: str
    subject: str
    iak: ShownKey
    idevid: ShownKey | None
    authorities: tuple[bytes, ...] = field(default=(), repr=False)
    said: IakStatement | None = None

    def encode(self) -> bytes:
        """For our own storage, and for evidence packs."""
        idevid = None if self.idevid is None else self.idevid.to_item()
        said = None if self.said is None else self.said.to_item()
        found = [self.klass.value, self.reason, self.subject, self.iak.to_item()]
        return cbor.encode([*found, idevid, list(self.authorities), said])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises MalformedError on what ``encode`` did not write."""
        parts = cbor.array(cbor.decode(data), limit=7)
        given = parts if len(parts) != 5 else [*parts, [], None]
        klass, reason, subject, iak, idevid, above, said = cbor.array(given, 7)
        authorities = cbor.array(above, limit=_MAX_AUTHORITIES)
        try:
            known = IdentityClass(cbor.tstr(klass, 64))
        except ValueError as error:
            raise MalformedError("an unknown class of identity") from error
        return cls(
            known,
            cbor.tstr(reason, 1024),
            cbor.tstr(subject, 1024),
            ShownKey.from_item(iak),
            None if idevid is None else ShownKey.from_item(idevid),
            tuple(cbor.bstr(one, limit=MAX_CERTIFICATE) for one in authorities),
            None if said is None else IakStatement.from_item(said),
        )
