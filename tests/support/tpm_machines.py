"""Machines with real TPMs, and the owner's side of their binding."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from attestation.binding import (
    BindingEvidence,
    BindingRefused,
    PendingBinding,
    challenge,
    check_evidence,
    qualifying_data,
)
from attestation.ek_store import EkTrust
from attestation.passport import Passport, key_digest
from hw.evidence import AkAlg, AttestationKey, EkAlg, EndorsementKey
from hw.public_area import PublicArea
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid

if TYPE_CHECKING:
    from hw.tpm import Tpm
    from hw.tpm_held import TpmKey

NOW = 1_800_000_000
GUID = Guid(bytes(range(16)))
NONCE = secrets.token_bytes(32)
SECRET = secrets.token_bytes(32)


@dataclass(frozen=True)
class Machine:
    """A TPM and the keys an agent has made in it."""

    tpm: "Tpm"
    ek: EndorsementKey
    ak: AttestationKey
    dak: "TpmKey"

    @classmethod
    def prepare(cls, tpm: "Tpm", ak: AkAlg = "ecc") -> "Machine":
        keys = tpm.create_attestation_key(ak), tpm.create_device_key()
        return cls(tpm, tpm.endorsement_key(), *keys)

    def evidence(self, nonce: bytes = NONCE, guid: Guid = GUID) -> BindingEvidence:
        """What an honest agent answers."""
        said = self.tpm.certify(self.dak, self.ak, qualifying_data(nonce, guid))
        return BindingEvidence(
            self.ek.public,
            self.ek.certificate,
            self.ak.public,
            self.dak.public_area,
            said.message,
            said.signature,
        )

    def passport(self) -> Passport:
        ek = key_digest(PublicArea.from_bytes(self.ek.public).key)
        dak = key_digest(self.dak.public_key)
        return Passport(GUID, ek, "SN-1", "generic-sbc-tpm", dak, NOW)


@dataclass(frozen=True)
class Owner:
    """The owner's side: what it expects of this voucher's device."""

    device_key: VerifyKey
    trust: EkTrust
    passport: Passport | None = None

    def check(self, evidence: BindingEvidence, **changes: Any) -> PendingBinding:
        """As received: over the wire format."""
        received = BindingEvidence.from_cbor(evidence.encode())
        asked: dict[str, Any] = {
            "guid": GUID,
            "nonce": NONCE,
            "device_key": self.device_key,
            "passport": self.passport,
            "trust": self.trust,
            "now": NOW,
        }
        return check_evidence(received, **{**asked, **changes})

    def code(self, evidence: BindingEvidence, **changes: Any) -> object:
        with pytest.raises(BindingRefused) as refusal:
            self.check(evidence, **changes)
        assert refusal.value.sentence
        assert refusal.value.remedy
        return refusal.value.code


def activate(
    machine: Machine, pending: PendingBinding, ek_alg: EkAlg = "rsa2048"
) -> bytes:
    """Have the machine's TPM open the credential made for ``pending``."""
    sent = challenge(pending, SECRET)
    return machine.tpm.activate_credential(
        machine.ak, sent.id_object, sent.encrypted_secret, ek_alg
    )
