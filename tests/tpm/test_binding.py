"""Binding, with real software TPMs on the device's side."""

from dataclasses import replace

from attestation.binding import (
    Binding,
    BindingClass,
    BindingCode,
    PendingBinding,
    complete,
)
from attestation.ek_store import EkTrust
from attestation.ek_verdict import EkClass, EkCode
from tests.support.tpm_machines import SECRET, Machine, Owner, activate

pytest_plugins = ["tests.support.binding_fixtures"]


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


def test_another_endorsement_key_is_bound_if_the_passport_names_it(
    machine: Machine, owner: Owner
) -> None:
    ecc = replace(machine, ek=machine.tpm.endorsement_key("ecc384"))
    assert owner.code(ecc.evidence()) is BindingCode.EK_KIND
    pending = owner.check(ecc.evidence(), passport=ecc.passport())
    answer = activate(ecc, pending, "ecc384")
    assert complete(pending, SECRET, answer).ek_class is EkClass.VENDOR_TRUSTED


def test_the_passport_vouches_where_no_root_is_known(
    machine: Machine, owner: Owner
) -> None:
    passport = machine.passport()
    pending = owner.check(machine.evidence(), trust=EkTrust(), passport=passport)
    assert pending.ek_class is EkClass.PASSPORT_TRUSTED
    assert owner.code(machine.evidence(), trust=EkTrust()) is EkCode.CERTIFICATE_NO_PATH


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
