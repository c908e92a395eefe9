"""What is said of a device's level: never more than its binding and passport allow."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from attestation.passport import Passport, issue, key_digest
from hw.profiles import Assurance, profiles
from onboarding.services.api.assurance_view import shown_assurance
from onboarding.services.passports import StoredPassport
from onboarding.store.bindings import BindingRecord
from onboarding.store.devices import DeviceRecord
from onboarding.store.state import DeviceFacts
from ownership_vouchers.keys import spki
from tests.support.alterations import flip
from tests.support.store_records import GUID, NOW, binding
from tests.support.supply_chain import SupplyChain


def device(**facts: Any) -> DeviceRecord:
    known = DeviceFacts(**{"owned_at": NOW, **facts})
    return DeviceRecord(
        GUID, None, "SN", "", "uefi-server-tpm", {}, False, NOW, None, known, None, None
    )


def passport(board: str) -> StoredPassport:
    chain = SupplyChain().make_device()
    key = key_digest(chain.device_key.public_key())
    said = Passport(chain.guid, b"e" * 32, "SN-1", board, key, NOW)
    maker = chain.manufacturer
    return StoredPassport(
        spki(maker.private_key.public_key()), issue(said, maker.signer)
    )


def bound_by(stored: StoredPassport, **changed: Any) -> BindingRecord:
    digest = hashlib.sha256(stored.document).digest()
    return replace(binding(), passport_digest=digest, **changed)


@pytest.mark.parametrize("board", [one for one in profiles() if one.pcrs])
def test_a_bound_device_has_the_level_of_its_passports_board(board: Any) -> None:
    stored = passport(board.name)
    shown = shown_assurance(device(), bound_by(stored), stored.encode())
    assert (shown["level"], shown["profile"]) == (board.assurance.value, board.name)
    assert (shown["shows"], shown["weaker"]) == (board.assurance.shows, False)
    assert shown["cannot_show"] == "; ".join(board.cannot_show(board.assurance))


SERVER = passport("uefi-server-tpm")
LESS: dict[str, tuple[BindingRecord, StoredPassport | None, str]] = {
    "no passport": (
        replace(binding(), passport_digest=None), SERVER, "without a passport",
    ),
    "its passport is gone": (bound_by(SERVER), None, "is not with its voucher"),
    "another passport": (
        bound_by(passport("uefi-server-tpm")), SERVER, "is not with its voucher",
    ),
    "an altered passport": (
        bound_by(StoredPassport(SERVER.issuer, flip(SERVER.document))),
        StoredPassport(SERVER.issuer, flip(SERVER.document)),
        "is not with its voucher",
    ),
    "an unknown board": (
        bound_by(odd := passport("moon-base")), odd, "not known here: moon-base",
    ),
    "a board without a TPM": (
        bound_by(bare := passport("generic-no-tpm")), bare, "a board without a TPM",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LESS)
def test_without_its_passports_word_a_boot_is_not_said_to_be_shown(name: str) -> None:
    bound, stored, why = LESS[name]
    kept = None if stored is None else stored.encode()
    shown = shown_assurance(device(), bound, kept)
    assert shown["level"] == Assurance.UNMEASURED.value
    assert shown["profile"] is None
    assert why in shown["because"]


def test_a_virtual_machine_is_not_said_to_show_more_than_its_host() -> None:
    stored = passport("qemu-swtpm")
    shown = shown_assurance(device(), bound_by(stored), stored.encode())
    assert shown["level"] == "measured-boot"
    assert "that its host, which can make all of it up" in shown["cannot_show"]


def test_a_device_without_a_tpm_binding_is_of_the_weaker_class() -> None:
    shown = shown_assurance(device(), None, SERVER.encode())
    assert (shown["level"], shown["weaker"]) == (Assurance.NO_TPM.value, True)
    assert shown["because"].startswith("Weaker class: it is not bound to a TPM")


def test_what_was_never_onboarded_has_shown_nothing() -> None:
    shown = shown_assurance(device(owned_at=None), None, SERVER.encode())
    assert (shown["level"], shown["weaker"]) == (None, True)
    assert shown["shows"] == "nothing yet"


def test_a_device_key_outside_the_tpm_is_not_said_to_be_in_it() -> None:
    bound = bound_by(SERVER, klass="key-outside-tpm")
    shown = shown_assurance(device(), bound, SERVER.encode())
    assert (shown["level"], shown["weaker"]) == ("measured-boot", True)
    assert shown["shows"].endswith("its attestation keys")
    assert "its keys" not in shown["shows"]
    assert "that its device key is not copied" in shown["cannot_show"]
    assert shown["because"].startswith("Weaker class: its device key is outside")


@pytest.mark.parametrize("klass", ["no-certificate", "refused"])
def test_a_tpm_that_nobody_vouches_for_is_not_said_to_be_genuine(klass: str) -> None:
    shown = shown_assurance(device(), bound_by(SERVER, ek_class=klass), SERVER.encode())
    assert "that this TPM is a genuine one" in shown["cannot_show"]
