"""Binding, with real software TPMs on the device's side: copies and strangers."""

import secrets
from dataclasses import replace

import pytest

from attestation.binding import (
    BindingCode,
    BindingRefused,
    complete,
    qualifying_data,
)
from attestation.ek_verdict import EkCode
from hw.errors import TpmError
from ownership_vouchers.types import Guid
from tests.support.tpm_machines import GUID, NONCE, SECRET, Machine, Owner, activate

pytest_plugins = ["tests.support.binding_fixtures"]


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
    with pytest.raises(BindingRefused) as refusal:
        complete(pending, SECRET, secrets.token_bytes(32))
    assert refusal.value.code is BindingCode.NOT_ACTIVATED


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


def test_the_passport_of_a_device_with_another_key_is_refused(
    machine: Machine, thief: Machine, owner: Owner
) -> None:
    passport = thief.passport()
    code = owner.code(machine.evidence(), passport=passport)
    assert code is BindingCode.PASSPORT_OF_ANOTHER
