"""Binding: EK, AK and device key (DAK) are shown to be in one TPM.

Two proofs inside the TO2 tunnel: TPM2_Certify of the DAK by the AK over a fresh nonce,
and a credential that only the TPM holding both EK and AK can open. Pure; the caller
brings nonce, secret and time. Source: TPM 2.0 Library, part 1, sections 24 and 31.
"""

import hmac
import secrets
from collections.abc import Callable, Collection, Sequence

from cryptography import x509

from attestation.binding_codes import (
    BindingClass,
    BindingCode,
    BindingRefused,
    malformed,
)
from attestation.binding_messages import (
    AK_ALGS,
    NONCE_SIZE,
    SECRET_SIZE,
    Binding,
    BindingChallenge,
    BindingEvidence,
    BindingRequest,
    PendingBinding,
    qualifying_data,
)
from attestation.device_identity import IdentityEvidence
from attestation.ek_store import EkTrust
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass, EkVerdict
from attestation.errors import DocumentRefused
from attestation.identity_check import check_identity
from attestation.passport import Passport, key_digest, require_device_key
from hw.algorithms import KeyAlg
from hw.errors import EvidenceError, HwError, StructureError
from hw.evidence import AkAlg
from hw.make_credential import make_credential
from hw.public_area import PublicArea
from hw.quote import check_certify
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.keys import spki
from ownership_vouchers.types import Guid

__all__ = [
    "AK_ALGS",
    "NONCE_SIZE",
    "SECRET_SIZE",
    "Binding",
    "BindingChallenge",
    "BindingClass",
    "BindingCode",
    "BindingEvidence",
    "BindingRefused",
    "BindingRequest",
    "PendingBinding",
    "challenge",
    "check_evidence",
    "complete",
    "qualifying_data",
]

_ANOTHER_TPM = "run the agent on the device whose voucher this is, with its own TPM"
_OLD_AGENT = "have the agent make its keys as templates say, then onboard again"


def check_evidence(
    evidence: BindingEvidence,
    *,
    guid: Guid,
    nonce: bytes,
    device_key: VerifyKey,
    passport: Passport | None,
    trust: EkTrust,
    now: int,
    accepted: Collection[bytes] = (),
    refused: Collection[bytes] = (),
    ak_algs: Collection[str] = AK_ALGS,
) -> PendingBinding:
    """Check all that can be checked before the credential is opened.

    Args:
        guid: Of the voucher under which TO2 runs.
        nonce: The one of our BindingRequest, used for no other evidence.
        device_key: Of the voucher's device certificate.
        passport: Of this device, already opened; its EK and device key must be these.
        trust, now, accepted, refused: As ``ek_trust.judge`` takes them.
        ak_algs: What our BindingRequest asked for.

    Raises:
        BindingRefused: With the first reason found.
    """
    ek, ak = _keys(evidence)
    if _alg(ak) not in ak_algs:
        raise BindingRefused(
            BindingCode.AK_ALG,
            f"the attestation key is {_alg(ak)}, asked for was {', '.join(ak_algs)}",
            "choose the device profile that fits its attestation channel",
        )
    _require_passport(passport, device_key)
    _require_first_ek(passport, ek)
    found = EkEvidence(ek.key, evidence.ek_certificate, evidence.ek_chain)
    verdict = judge(found, trust, passport, now, accepted, refused)
    _require_ek(verdict, ek)
    klass = _device_key_class(evidence, ak, device_key, qualifying_data(nonce, guid))
    return PendingBinding(
        guid,
        evidence.ek_public,
        evidence.ek_certificate,
        evidence.ak_public,
        _alg(ak),
        verdict,
        klass,
        _identity(evidence, ak, (nonce, guid), trust.makers, now),
    )


def _identity(
    evidence: BindingEvidence,
    ak: PublicArea,
    asked: tuple[bytes, Guid],
    makers: Sequence[x509.Certificate],
    now: int,
) -> bytes:
    """The factory identity that was shown, encoded; empty where none was."""
    if not evidence.identity:
        return b""
    shown = IdentityEvidence.from_cbor(evidence.identity)
    return check_identity(shown, ak, *asked, makers, now).encode()


def challenge(
    pending: PendingBinding,
    secret: bytes,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> BindingChallenge:
    """Encrypt ``secret`` (32 bytes) to that EK, for a TPM that also holds that AK."""
    if len(secret) != SECRET_SIZE:
        raise ValueError(f"the secret has {SECRET_SIZE} bytes")
    try:
        ak = PublicArea.from_bytes(pending.ak_public)
        parts = make_credential(pending.ek_public, ak.name, secret, random)
    except HwError as error:
        raise malformed(error) from error
    return BindingChallenge(*parts)


def complete(pending: PendingBinding, expected: bytes, answer: bytes) -> Binding:
    """Return the binding, if the TPM has read the secret we expect.

    Raises:
        BindingRefused: NOT_ACTIVATED.
    """
    if len(expected) != SECRET_SIZE or not hmac.compare_digest(expected, answer):
        raise BindingRefused(
            BindingCode.NOT_ACTIVATED,
            "the TPM with this EK could not open the credential for this AK",
            _ANOTHER_TPM,
        )
    return Binding(
        pending.guid,
        pending.ek_public,
        pending.ek_certificate,
        pending.ak_public,
        pending.ak_alg,
        pending.ek_verdict,
        pending.klass,
        pending.identity,
    )


def _alg(key: PublicArea) -> AkAlg:
    return "rsa" if key.type is KeyAlg.RSA else "ecc"


def _keys(evidence: BindingEvidence) -> tuple[PublicArea, PublicArea]:
    """Read EK and AK; each must have the attributes of its role."""
    try:
        ek = PublicArea.from_bytes(evidence.ek_public)
        ak = PublicArea.from_bytes(evidence.ak_public)
    except StructureError as error:
        raise malformed(error) from error
    try:
        ek.require_endorsement_key()
    except EvidenceError as error:
        raise BindingRefused(BindingCode.NOT_AN_EK, str(error), _OLD_AGENT) from error
    try:
        ak.require_attestation_key()
    except EvidenceError as error:
        raise BindingRefused(BindingCode.NOT_AN_AK, str(error), _OLD_AGENT) from error
    return ek, ak


def _require_passport(passport: Passport | None, device_key: VerifyKey) -> None:
    if passport is None:
        return
    try:
        require_device_key(passport, device_key)
    except DocumentRefused as error:
        raise BindingRefused(
            BindingCode.PASSPORT_OF_ANOTHER, error.sentence, error.remedy
        ) from error


def _require_first_ek(passport: Passport | None, ek: PublicArea) -> None:
    """One EK of a TPM only, so that its digest stands for the TPM."""
    if passport is None and not ek.is_default_endorsement_key:
        raise BindingRefused(
            BindingCode.EK_KIND,
            "without a passport only a TPM's RSA-2048 endorsement key (template L-1) is"
            " taken: nothing links it to the others, so one TPM could pass for several",
            "bind with that key, or have the manufacturer issue a passport that names"
            " the other one",
        )


def _require_ek(verdict: EkVerdict, ek: PublicArea) -> None:
    if verdict.klass is EkClass.REFUSED:
        reason = verdict.reasons[0]
        sentence = f"{reason.sentence} (EK {key_digest(ek.key).hex()})"
        raise BindingRefused(reason.code, sentence, reason.remedy)


def _device_key_class(
    evidence: BindingEvidence,
    ak: PublicArea,
    device_key: VerifyKey,
    qualifying: bytes,
) -> BindingClass:
    """TPM_BOUND on proof; KEY_OUTSIDE_TPM if the device claims no more."""
    parts = (
        evidence.dak_public,
        evidence.certify_message,
        evidence.certify_signature,
    )
    if parts == (None, None, None):
        return BindingClass.KEY_OUTSIDE_TPM
    public, message, signature = parts
    if public is None or message is None or signature is None:
        raise malformed(ValueError("device key and its certification come together"))
    dak = _device_key(public, device_key)
    try:
        check_certify(ak, dak, message, signature, qualifying)
    except StructureError as error:
        raise malformed(error) from error
    except EvidenceError as error:
        raise BindingRefused(
            BindingCode.NOT_CERTIFIED,
            f"the device key is not shown to be in the AK's TPM: {error}",
            _ANOTHER_TPM,
        ) from error
    return BindingClass.TPM_BOUND


def _device_key(public: bytes, device_key: VerifyKey) -> PublicArea:
    try:
        dak = PublicArea.from_bytes(public)
    except StructureError as error:
        raise malformed(error) from error
    try:
        dak.require_device_key()
    except EvidenceError as error:
        raise BindingRefused(BindingCode.NOT_A_DAK, str(error), _OLD_AGENT) from error
    if spki(dak.key) != spki(device_key):
        raise BindingRefused(
            BindingCode.DAK_NOT_THE_VOUCHERS,
            "the certified key is not the key of the voucher's device certificate",
            _ANOTHER_TPM,
        )
    return dak
