"""Binding, with real software TPMs on the device's side."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from attestation.binding import (
    Binding,
    BindingClass,
    BindingCode,
    BindingEvidence,
    BindingRefused,
    PendingBinding,
    challenge,
    check_evidence,
    complete,
    qualifying_data,
)
from attestation.ek_certificate import EkCode
from attestation.ek_trust import EkClass
from attestation.passport import Passport, key_digest
from hw.errors import TpmError
from hw.evidence import AkAlg, AttestationKey, EndorsementKey
from hw.public_area import PublicArea
from hw.swtpm import ek_ca_certificates
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid

if TYPE_CHECKING:
    from hw.tpm import Tpm
    from hw.tpm_keys import TpmKey

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


@pytest.fixture(scope="module")
def machine(tpm: "Tpm") -> Machine:
    """The device the voucher is of."""
    return Machine.prepare(tpm)


@pytest.fixture(scope="module")
def thief(other_tpm: "Tpm") -> Machine:
    """A second machine of the same vendor; it may hold copies of all but the TPM."""
    return Machine.prepare(other_tpm)


@pytest.fixture(scope="module")
def roots(ek_ca: Path, machine: Machine) -> list[x509.Certificate]:
    """The vendor's CA; it exists once a TPM has been manufactured."""
    return [x509.load_pem_x509_certificate(pem) for pem in ek_ca_certificates(ek_ca)]


@dataclass(frozen=True)
class Owner:
    """The owner's side: what it expects of this voucher's device."""

    device_key: VerifyKey
    roots: list[x509.Certificate]
    passport: Passport | None = None

    def check(self, evidence: BindingEvidence, **changes: Any) -> PendingBinding:
        """As received: over the wire format."""
        received = BindingEvidence.from_cbor(evidence.encode())
        asked: dict[str, Any] = {
            "guid": GUID,
            "nonce": NONCE,
            "device_key": self.device_key,
            "passport": self.passport,
            "roots": self.roots,
            "now": NOW,
        }
        return check_evidence(received, **{**asked, **changes})

    def code(self, evidence: BindingEvidence, **changes: Any) -> object:
        with pytest.raises(BindingRefused) as refusal:
            self.check(evidence, **changes)
        assert refusal.value.sentence
        assert refusal.value.remedy
        return refusal.value.code


@pytest.fixture(scope="module")
def owner(machine: Machine, roots: list[x509.Certificate]) -> Owner:
    return Owner(machine.dak.public_key, roots)


def activate(machine: Machine, pending: PendingBinding) -> bytes:
    sent = challenge(pending, SECRET)
    return machine.tpm.activate_credential(
        machine.ak, sent.id_object, sent.encrypted_secret
    )


def test_keys_of_one_tpm_are_bound(machine: Machine, owner: Owner) -> None:
    pending = PendingBinding.from_cbor(owner.check(machine.evidence()).encode())
    binding = complete(pending, SECRET, activate(machine, pending))
    assert binding.klass is BindingClass.TPM_BOUND
    assert binding.ek_class is EkClass.VENDOR_TRUSTED
    assert len(binding.ek_verdict.chain) == 3
    assert binding.ek_verdict.tpm is not None
    assert (binding.ak_public, binding.ak_alg) == (machine.ak.public, "ecc")
    assert Binding.from_cbor(binding.encode()) == binding


def test_an_rsa_attestation_key_is_bound_too(machine: Machine, owner: Owner) -> None:
    ak = machine.tpm.create_attestation_key("rsa")
    server = replace(machine, ak=ak)
    pending = owner.check(server.evidence(), ak_algs=("rsa",))
    assert complete(pending, SECRET, activate(server, pending)).ak_alg == "rsa"


def test_a_p384_endorsement_key_is_bound_too(machine: Machine, owner: Owner) -> None:
    ecc = replace(machine, ek=machine.tpm.endorsement_key("ecc384"))
    pending = owner.check(ecc.evidence())
    sent = challenge(pending, SECRET)
    answer = machine.tpm.activate_credential(
        machine.ak, sent.id_object, sent.encrypted_secret, "ecc384"
    )
    assert complete(pending, SECRET, answer).ek_class is EkClass.VENDOR_TRUSTED


def test_the_passport_vouches_where_no_root_is_known(
    machine: Machine, owner: Owner
) -> None:
    passport = machine.passport()
    pending = owner.check(machine.evidence(), roots=[], passport=passport)
    assert pending.ek_class is EkClass.PASSPORT_TRUSTED
    assert owner.code(machine.evidence(), roots=[]) is EkCode.CERTIFICATE_NO_PATH


def test_without_certificate_and_passport_the_class_says_so(
    machine: Machine, owner: Owner
) -> None:
    pending = owner.check(replace(machine.evidence(), ek_certificate=None))
    assert pending.ek_class is EkClass.NO_CERTIFICATE


def test_a_device_key_outside_the_tpm_is_a_weaker_class(
    machine: Machine, owner: Owner
) -> None:
    evidence = replace(
        machine.evidence(),
        dak_public=None,
        certify_message=None,
        certify_signature=None,
    )
    pending = owner.check(evidence)
    assert pending.klass is BindingClass.KEY_OUTSIDE_TPM
    half = replace(evidence, dak_public=machine.dak.public_area)
    assert owner.code(half) is BindingCode.MALFORMED


def test_a_copy_that_replays_the_devices_evidence_cannot_open_the_credential(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    pending = owner.check(machine.evidence())  # every byte the true device's
    with pytest.raises(TpmError):
        activate(thief, pending)
    with pytest.raises(BindingRefused) as refusal:
        complete(pending, SECRET, secrets.token_bytes(32))
    assert refusal.value.code is BindingCode.NOT_ACTIVATED


def test_a_copy_with_its_own_endorsement_key_is_not_the_passports(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    evidence = replace(
        machine.evidence(),
        ek_public=thief.ek.public,
        ek_certificate=thief.ek.certificate,
    )
    passport = machine.passport()
    assert owner.code(evidence, passport=passport) is EkCode.PASSPORT_MISMATCH


def test_a_copy_with_its_own_keys_cannot_certify_the_device_key(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    evidence = replace(thief.evidence(), dak_public=machine.dak.public_area)
    assert owner.code(evidence) is BindingCode.NOT_CERTIFIED


def test_a_copy_with_its_own_device_key_has_not_the_vouchers(
    thief: Machine, owner: Owner
) -> None:
    assert owner.code(thief.evidence()) is BindingCode.DAK_NOT_THE_VOUCHERS


def test_the_attestation_key_of_another_tpm_cannot_be_activated(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    evidence = replace(
        thief.evidence(),
        ek_public=machine.ek.public,
        ek_certificate=machine.ek.certificate,
    )
    pending = owner.check(evidence, device_key=thief.dak.public_key)
    for one in (machine, thief):  # neither holds both EK and AK
        with pytest.raises(TpmError):
            activate(one, pending)


def test_a_swapped_endorsement_certificate_is_refused(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    evidence = replace(machine.evidence(), ek_certificate=thief.ek.certificate)
    assert owner.code(evidence) is EkCode.CERTIFICATE_OF_ANOTHER_KEY


def test_a_certification_over_another_nonce_or_guid_is_refused(
    machine: Machine, owner: Owner
) -> None:
    stale = machine.evidence(nonce=secrets.token_bytes(32))
    foreign = machine.evidence(guid=Guid(bytes(16)))
    assert owner.code(stale) is BindingCode.NOT_CERTIFIED
    assert owner.code(foreign) is BindingCode.NOT_CERTIFIED


def test_a_certification_by_another_attestation_key_is_refused(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    evidence = replace(machine.evidence(), ak_public=thief.ak.public)
    assert owner.code(evidence) is BindingCode.NOT_CERTIFIED


def test_a_quote_is_no_certification(machine: Machine, owner: Owner) -> None:
    quote = machine.tpm.quote(
        machine.ak, qualifying_data(NONCE, GUID), "sha256", [0, 7]
    )
    evidence = replace(
        machine.evidence(),
        certify_message=quote.message,
        certify_signature=quote.signature,
    )
    assert owner.code(evidence) is BindingCode.NOT_CERTIFIED


def test_a_key_that_signs_anything_is_no_attestation_key(
    machine: Machine, owner: Owner
) -> None:
    evidence = replace(machine.evidence(), ak_public=machine.dak.public_area)
    assert owner.code(evidence) is BindingCode.NOT_AN_AK


def test_a_restricted_key_is_no_device_key(machine: Machine, owner: Owner) -> None:
    evidence = replace(machine.evidence(), dak_public=machine.ak.public)
    assert owner.code(evidence) is BindingCode.NOT_A_DAK


def test_a_signing_key_is_no_endorsement_key(machine: Machine, owner: Owner) -> None:
    evidence = replace(machine.evidence(), ek_public=machine.ak.public)
    assert owner.code(evidence) is BindingCode.NOT_AN_EK


def test_an_attestation_key_of_a_kind_not_asked_for_is_refused(
    machine: Machine, owner: Owner
) -> None:
    assert owner.code(machine.evidence(), ak_algs=("rsa",)) is BindingCode.AK_ALG


def test_the_passport_of_a_device_with_another_key_is_refused(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    passport = thief.passport()
    code = owner.code(machine.evidence(), passport=passport)
    assert code is BindingCode.PASSPORT_OF_ANOTHER
