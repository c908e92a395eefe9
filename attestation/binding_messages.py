"""What owner and device say to each other while binding, and what comes of it."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar, Self

from attestation.binding_codes import BindingClass, malformed
from attestation.device_identity import MAX_IDENTITY
from attestation.documents import guid_of, texts
from attestation.ek_verdict import (
    MAX_CERTIFICATE,
    MAX_INTERMEDIATES,
    EkClass,
    EkCode,
    EkNote,
    EkNoteCode,
    EkReason,
    EkVerdict,
)
from hw.evidence import AkAlg
from ownership_vouchers import cbor
from ownership_vouchers.certified_names import TpmAttributes
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.types import Guid

NONCE_SIZE = 32
SECRET_SIZE = 32
AK_ALGS: tuple[AkAlg, ...] = ("ecc", "rsa")
_MAX_STRUCTURE = 1024  # bytes of a TPM structure
_MAX_IDENTITY = 64 * 1024  # bytes of keys and certificates
_IDENTITY = "iak"
_DOMAIN = b"vouchgate binding 1: device key certified by attestation key\0"


def qualifying_data(nonce: bytes, guid: Guid) -> bytes:
    """What TPM2_Certify is given: SHA-256 of domain, nonce (32 bytes) and GUID."""
    return hashlib.sha256(_DOMAIN + nonce + guid.raw).digest()


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """Owner to device: the nonce to certify over (32 bytes), the AKs accepted.

    ``identity`` asks for IAK and IDevID as well. It is a word among the kinds of AK,
    where a device that does not know it passes it over.
    """

    nonce: bytes
    ak_algs: tuple[str, ...] = AK_ALGS
    identity: bool = False

    def encode(self) -> bytes:
        words = [*self.ak_algs, *([_IDENTITY] if self.identity else [])]
        return cbor.encode([self.nonce, words])

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on any other shape."""
        try:
            nonce, algs = cbor.array(cbor.decode(data), 2)
            words = texts(algs, 8, 16)
            kinds = tuple(one for one in words if one != _IDENTITY)
            return cls(cbor.bstr(nonce, NONCE_SIZE), kinds, _IDENTITY in words)
        except VoucherError as error:
            raise malformed(error) from error


@dataclass(frozen=True, slots=True)
class BindingEvidence:
    """Device to owner: the keys, and the AK's certification of the device key.

    Public areas are marshalled TPM2B_PUBLIC; ``certify_message`` is the TPMS_ATTEST
    without size, ``certify_signature`` a TPMT_SIGNATURE. The last three are None
    together when the device key is not in the TPM. Certificates are DER. ``identity``
    is an IdentityEvidence, encoded, if the owner asked and the device has one.
    """

    ek_public: bytes
    ek_certificate: bytes | None
    ak_public: bytes
    dak_public: bytes | None
    certify_message: bytes | None
    certify_signature: bytes | None
    ek_chain: tuple[bytes, ...] = ()
    identity: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        return cbor.encode(
            [
                self.ek_public,
                self.ek_certificate,
                self.ak_public,
                self.dak_public,
                self.certify_message,
                self.certify_signature,
                list(self.ek_chain),
                *([self.identity] if self.identity else []),
            ]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on any other shape."""
        try:
            parts = cbor.array(cbor.decode(data), limit=8)
            given = parts if len(parts) == 8 else [*parts, b""]
            ek, certificate, ak, dak, message, signature, chain, identity = cbor.array(
                given, 8
            )
            return cls(
                cbor.bstr(ek, limit=_MAX_STRUCTURE),
                _optional(certificate, MAX_CERTIFICATE),
                cbor.bstr(ak, limit=_MAX_STRUCTURE),
                _optional(dak, _MAX_STRUCTURE),
                _optional(message, _MAX_STRUCTURE),
                _optional(signature, _MAX_STRUCTURE),
                _certificates(chain),
                cbor.bstr(identity, limit=_MAX_IDENTITY),
            )
        except VoucherError as error:
            raise malformed(error) from error


def _optional(item: object, limit: int) -> bytes | None:
    return None if item is None else cbor.bstr(item, limit=limit)


def _certificates(item: object) -> tuple[bytes, ...]:
    items = cbor.array(item, limit=MAX_INTERMEDIATES)
    return tuple(cbor.bstr(one, limit=MAX_CERTIFICATE) for one in items)


@dataclass(frozen=True, slots=True)
class BindingChallenge:
    """Owner to device: a credential, as TPM2_ActivateCredential takes it."""

    id_object: bytes
    encrypted_secret: bytes

    def encode(self) -> bytes:
        return cbor.encode([self.id_object, self.encrypted_secret])

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on any other shape."""
        try:
            blob, secret = cbor.array(cbor.decode(data), 2)
            return cls(
                cbor.bstr(blob, limit=_MAX_STRUCTURE),
                cbor.bstr(secret, limit=_MAX_STRUCTURE),
            )
        except VoucherError as error:
            raise malformed(error) from error


@dataclass(frozen=True, slots=True)
class _Bound:
    """Keys that belong together; the two children say how far that is proven."""

    STAGE: ClassVar[str] = ""

    guid: Guid
    ek_public: bytes = field(repr=False)
    ek_certificate: bytes | None = field(repr=False)
    ak_public: bytes = field(repr=False)
    ak_alg: AkAlg
    ek_verdict: EkVerdict
    klass: BindingClass
    identity: bytes = field(default=b"", repr=False)  # a BoundIdentity, encoded

    @property
    def ek_class(self) -> EkClass:
        return self.ek_verdict.klass

    def encode(self) -> bytes:
        """For our own storage."""
        verdict = self.ek_verdict
        reasons = [
            [one.code.value, one.sentence, one.remedy] for one in verdict.reasons
        ]
        said = verdict.tpm
        tpm = said and [said.manufacturer, said.model, said.version]
        return cbor.encode(
            [
                self.STAGE,
                self.guid.raw,
                self.ek_public,
                self.ek_certificate,
                self.ak_public,
                self.ak_alg,
                [
                    verdict.klass.value,
                    reasons,
                    list(verdict.chain),
                    tpm,
                    [[one.code.value, one.sentence] for one in verdict.notes],
                    verdict.store,
                ],
                self.klass.value,
                self.identity,
            ]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on what ``encode`` did not write."""
        try:
            stage, guid, *keys, alg, verdict, klass, identity = cbor.array(
                cbor.decode(data), 9
            )
            if cbor.tstr(stage) != cls.STAGE:
                raise MalformedError(f"not a binding that is {cls.STAGE}")
            ek, certificate, ak = keys
            return cls(
                guid_of(guid),
                cbor.bstr(ek, limit=_MAX_STRUCTURE),
                _optional(certificate, MAX_CERTIFICATE),
                cbor.bstr(ak, limit=_MAX_STRUCTURE),
                _ak_alg(alg),
                _verdict(verdict),
                BindingClass(cbor.tstr(klass)),
                cbor.bstr(identity, limit=MAX_IDENTITY),
            )
        except (VoucherError, ValueError) as error:
            raise malformed(error) from error


def _ak_alg(item: object) -> AkAlg:
    for alg in AK_ALGS:
        if item == alg:
            return alg
    raise MalformedError("unknown kind of attestation key")


def _verdict(item: object) -> EkVerdict:
    klass, reasons, chain, tpm, notes, store = cbor.array(item, 6)
    return EkVerdict(
        EkClass(cbor.tstr(klass)),
        tuple(_reason(one) for one in cbor.array(reasons, limit=8)),
        texts(chain, 16, 2048),
        None if tpm is None else _attributes(tpm),
        tuple(_note(one) for one in cbor.array(notes, limit=64)),
        cbor.bstr(store, limit=32),
    )


def _note(item: object) -> EkNote:
    code, sentence = cbor.array(item, 2)
    return EkNote(EkNoteCode(cbor.tstr(code)), cbor.tstr(sentence, 1024))


def _attributes(item: object) -> TpmAttributes:
    parts = cbor.array(item, 3)
    return TpmAttributes(*(None if one is None else cbor.tstr(one) for one in parts))


def _reason(item: object) -> EkReason:
    code, sentence, remedy = cbor.array(item, 3)
    return EkReason(
        EkCode(cbor.tstr(code)), cbor.tstr(sentence, 4096), cbor.tstr(remedy, 1024)
    )


@dataclass(frozen=True, slots=True)
class PendingBinding(_Bound):
    """Evidence that holds; the credential is still to be opened by the TPM."""

    STAGE: ClassVar[str] = "pending"


@dataclass(frozen=True, slots=True)
class Binding(_Bound):
    """Proof that ``complete`` ran: EK and AK are one TPM, and ``klass`` of the DAK."""

    STAGE: ClassVar[str] = "complete"
