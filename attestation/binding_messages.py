"""What owner and device say to each other while binding, and what comes of it."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import ClassVar, Self

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
from attestation.errors import Refused
from hw.evidence import AkAlg
from ownership_vouchers import cbor
from ownership_vouchers.certified_names import TpmAttributes
from ownership_vouchers.errors import MalformedError, VoucherError
from ownership_vouchers.types import Guid

NONCE_SIZE = 32
SECRET_SIZE = 32
AK_ALGS: tuple[AkAlg, ...] = ("ecc", "rsa")
_MAX_STRUCTURE = 1024  # bytes of a TPM structure
_DOMAIN = b"vouchgate binding 1: device key certified by attestation key\0"


def qualifying_data(nonce: bytes, guid: Guid) -> bytes:
    """What TPM2_Certify is given: SHA-256 of domain, nonce (32 bytes) and GUID."""
    return hashlib.sha256(_DOMAIN + nonce + guid.raw).digest()


@unique
class BindingClass(StrEnum):
    """What was shown about where a device's keys live."""

    TPM_BOUND = "tpm-bound"  # EK, AK and device key are in one TPM
    KEY_OUTSIDE_TPM = "key-outside-tpm"  # EK and AK are; the device key is not
    UNBOUND = "unbound"  # nothing was shown: no TPM, or no binding


@unique
class BindingCode(StrEnum):
    """Why a binding is refused, beside the reasons that an EK is refused for."""

    MALFORMED = "binding-malformed"
    NOT_AN_EK = "ek-not-an-endorsement-key"
    EK_KIND = "ek-kind-without-passport"
    NOT_AN_AK = "ak-not-restricted"
    AK_ALG = "ak-algorithm-not-asked-for"
    NOT_A_DAK = "device-key-exportable"
    DAK_NOT_THE_VOUCHERS = "device-key-not-the-vouchers"
    PASSPORT_OF_ANOTHER = "passport-of-another-device"
    NOT_CERTIFIED = "device-key-not-certified"
    NOT_ACTIVATED = "credential-not-activated"


class BindingRefused(Refused):
    """The three keys were not shown to be in one TPM that we know."""

    code: BindingCode | EkCode


def malformed(error: Exception) -> BindingRefused:
    """What a decoder's error becomes."""
    return BindingRefused(
        BindingCode.MALFORMED,
        f"the device's message cannot be read: {error}",
        "update the device's agent; if it stays so, read its log",
    )


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """Owner to device: the nonce to certify over (32 bytes), the AKs accepted."""

    nonce: bytes
    ak_algs: tuple[str, ...] = AK_ALGS

    def encode(self) -> bytes:
        return cbor.encode([self.nonce, list(self.ak_algs)])

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on any other shape."""
        try:
            nonce, algs = cbor.array(cbor.decode(data), 2)
            return cls(cbor.bstr(nonce, NONCE_SIZE), texts(algs, 8, 16))
        except VoucherError as error:
            raise malformed(error) from error


@dataclass(frozen=True, slots=True)
class BindingEvidence:
    """Device to owner: the keys, and the AK's certification of the device key.

    Public areas are marshalled TPM2B_PUBLIC; ``certify_message`` is the TPMS_ATTEST
    without size, ``certify_signature`` a TPMT_SIGNATURE. The last three are None
    together when the device key is not in the TPM. Certificates are DER.
    """

    ek_public: bytes
    ek_certificate: bytes | None
    ak_public: bytes
    dak_public: bytes | None
    certify_message: bytes | None
    certify_signature: bytes | None
    ek_chain: tuple[bytes, ...] = ()

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
            ]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on any other shape."""
        try:
            ek, certificate, ak, dak, message, signature, chain = cbor.array(
                cbor.decode(data), 7
            )
            return cls(
                cbor.bstr(ek, limit=_MAX_STRUCTURE),
                _optional(certificate, MAX_CERTIFICATE),
                cbor.bstr(ak, limit=_MAX_STRUCTURE),
                _optional(dak, _MAX_STRUCTURE),
                _optional(message, _MAX_STRUCTURE),
                _optional(signature, _MAX_STRUCTURE),
                _certificates(chain),
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
            ]
        )

    @classmethod
    def from_cbor(cls, data: bytes) -> Self:
        """Raises BindingRefused (MALFORMED) on what ``encode`` did not write."""
        try:
            stage, guid, *keys, alg, verdict, klass = cbor.array(cbor.decode(data), 8)
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
