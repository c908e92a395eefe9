"""Binding, with statements signed in memory: what no real TPM would say."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from attestation.binding import (
    Binding,
    BindingChallenge,
    BindingClass,
    BindingCode,
    BindingEvidence,
    BindingRefused,
    BindingRequest,
    PendingBinding,
    challenge,
    check_evidence,
    complete,
    qualifying_data,
)
from attestation.ek_store import EkTrust
from attestation.ek_verdict import EkClass, EkCode
from attestation.passport import Passport, key_digest
from hw.algorithms import HashAlg
from hw.structures import PublicArea, TpmaObject
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid
from tests.support.ek_authority import NOW, RSA_EK_EXTENSIONS, TpmVendor
from tests.support.tpm_statements import (
    AES128,
    AES256,
    AK,
    EK,
    L1,
    NULL,
    UNEXPORTABLE,
    SoftAk,
    Statement,
    ecc_public,
    rsa_ek,
)

GUID = Guid(bytes(range(16)))
NONCE = bytes(32)
SECRET = b"\5" * 32
DAK_BITS = UNEXPORTABLE | TpmaObject.SIGN
VENDOR = TpmVendor()
EK_KEY = rsa.generate_private_key(65537, 2048).public_key()
ECC_EK_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
DAK_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
SOFT_AK = SoftAk.new()


def ecc_ek() -> bytes:
    return ecc_public(ECC_EK_KEY, EK, symmetric=AES128, scheme=NULL)


def evidence(
    ak: SoftAk = SOFT_AK, dak_bits: int = DAK_BITS, **statement: Any
) -> BindingEvidence:
    """Good in all but what is asked for; the statement is rightly signed."""
    dak = ecc_public(DAK_KEY, dak_bits)
    good = Statement.certify(PublicArea.from_bytes(dak).name)
    said = good.but(**{"nonce": qualifying_data(NONCE, GUID), **statement})
    return BindingEvidence(
        rsa_ek(EK_KEY),
        VENDOR.issuer.issue_ek(EK_KEY, RSA_EK_EXTENSIONS),
        ak.public,
        dak,
        said.message(),
        ak.sign(said.message()),
    )


GOOD = evidence()


def checked(found: BindingEvidence, **changes: Any) -> PendingBinding:
    asked: dict[str, Any] = {
        "guid": GUID,
        "nonce": NONCE,
        "device_key": DAK_KEY,
        "passport": None,
        "trust": VENDOR.trust,
        "now": NOW,
    }
    return check_evidence(found, **{**asked, **changes})


def code_of(found: BindingEvidence, **changes: Any) -> object:
    with pytest.raises(BindingRefused) as refusal:
        checked(found, **changes)
    assert refusal.value.sentence
    assert refusal.value.remedy
    return refusal.value.code


def test_good_evidence_is_pending_until_the_secret_comes_back() -> None:
    pending = checked(GOOD)
    assert pending.klass is BindingClass.TPM_BOUND
    assert pending.ek_class is EkClass.VENDOR_TRUSTED
    binding = complete(pending, SECRET, SECRET)
    assert (binding.guid, binding.ak_public) == (GUID, SOFT_AK.public)


@pytest.mark.parametrize("bit", [one for one in TpmaObject if one & AK])
def test_an_attestation_key_needs_each_of_its_attributes(bit: TpmaObject) -> None:
    assert code_of(evidence(replace(SOFT_AK, attributes=AK & ~bit))) is (
        BindingCode.NOT_AN_AK
    )


def test_an_attestation_key_may_not_decrypt() -> None:
    ak = replace(SOFT_AK, attributes=AK | TpmaObject.DECRYPT)
    assert code_of(evidence(ak)) is BindingCode.NOT_AN_AK


@pytest.mark.parametrize("bit", [one for one in TpmaObject if one & DAK_BITS])
def test_a_device_key_needs_each_of_its_attributes(bit: TpmaObject) -> None:
    assert code_of(evidence(dak_bits=DAK_BITS & ~bit)) is BindingCode.NOT_A_DAK


@pytest.mark.parametrize("bit", [one for one in TpmaObject if one & EK])
def test_an_endorsement_key_needs_each_of_its_attributes(bit: TpmaObject) -> None:
    odd = replace(GOOD, ek_public=rsa_ek(EK_KEY, L1 & ~bit))
    assert code_of(odd) is BindingCode.NOT_AN_EK


def test_an_endorsement_key_without_a_cipher_is_refused() -> None:
    odd = replace(GOOD, ek_public=rsa_ek(EK_KEY, symmetric=NULL))
    assert code_of(odd) is BindingCode.NOT_AN_EK


def passport_of(ek: VerifyKey, dak: VerifyKey) -> Passport:
    return Passport(GUID, key_digest(ek), "SN-1", "sbc", key_digest(dak), NOW)


OTHER_EKS: dict[str, tuple[bytes, VerifyKey]] = {
    "another algorithm": (ecc_ek(), ECC_EK_KEY),
    "another policy": (rsa_ek(EK_KEY, policy=b""), EK_KEY),
    "other attributes": (rsa_ek(EK_KEY, EK), EK_KEY),
    "another cipher": (rsa_ek(EK_KEY, symmetric=AES256), EK_KEY),
}


@pytest.mark.parametrize("case", OTHER_EKS)
def test_only_a_passport_lets_in_a_tpms_other_endorsement_keys(case: str) -> None:
    """Nothing links the keys of one TPM, so it could pass for as many devices."""
    public, key = OTHER_EKS[case]
    other = replace(GOOD, ek_public=public, ek_certificate=None)
    assert code_of(other) is BindingCode.EK_KIND
    assert code_of(other, accepted={key_digest(key)}) is BindingCode.EK_KIND
    named = checked(other, passport=passport_of(key, DAK_KEY))
    assert named.ek_class is EkClass.PASSPORT_TRUSTED


EXPECTED: dict[str, tuple[dict[str, Any], object]] = {
    "another device key": (
        {"device_key": EK_KEY},
        BindingCode.DAK_NOT_THE_VOUCHERS,
    ),
    "another device's passport": (
        {"passport": passport_of(EK_KEY, EK_KEY)},
        BindingCode.PASSPORT_OF_ANOTHER,
    ),
    "the passport of another TPM": (
        {"passport": passport_of(DAK_KEY, DAK_KEY)},
        EkCode.PASSPORT_MISMATCH,
    ),
    "no such root": ({"trust": EkTrust()}, EkCode.CERTIFICATE_NO_PATH),
    "another kind of AK": ({"ak_algs": ("rsa",)}, BindingCode.AK_ALG),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_good_evidence_must_be_what_the_owner_expects(case: str) -> None:
    change, code = EXPECTED[case]
    assert code_of(GOOD, **change) is code


def test_a_refused_endorsement_key_is_named_so_that_it_can_be_accepted() -> None:
    with pytest.raises(BindingRefused) as refusal:
        checked(GOOD, trust=EkTrust())
    assert key_digest(EK_KEY).hex() in refusal.value.sentence
    pending = checked(GOOD, trust=EkTrust(), accepted={key_digest(EK_KEY)})
    assert pending.ek_class is EkClass.ACCEPTED_ONCE


STATEMENTS: dict[str, tuple[dict[str, Any], BindingCode]] = {
    "another magic": ({"magic": 0x12345678}, BindingCode.MALFORMED),
    "another nonce": ({"nonce": b"\1" * 32}, BindingCode.NOT_CERTIFIED),
    "the bare nonce": ({"nonce": NONCE}, BindingCode.NOT_CERTIFIED),
    "no nonce": ({"nonce": b""}, BindingCode.NOT_CERTIFIED),
    "another key's name": (
        {"body": Statement.certify(SOFT_AK.area.name).body},
        BindingCode.NOT_CERTIFIED,
    ),
    "a quote": (
        {
            "kind": Statement.quote({7: bytes(32)}).kind,
            "selection": Statement.quote({7: bytes(32)}).selection,
            "body": Statement.quote({7: bytes(32)}).body,
        },
        BindingCode.NOT_CERTIFIED,
    ),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_a_rightly_signed_statement_must_be_the_right_one(case: str) -> None:
    change, code = STATEMENTS[case]
    assert code_of(evidence(**change)) is code


def test_an_unsigned_statement_is_refused() -> None:
    assert GOOD.certify_message is not None
    signature = SoftAk.new().sign(GOOD.certify_message)
    odd = replace(GOOD, certify_signature=signature)
    assert code_of(odd) is BindingCode.NOT_CERTIFIED


@pytest.mark.parametrize("answer", [b"", SECRET[:-1], b"\4" * 32, SECRET + b"\0"])
def test_another_answer_than_the_secret_is_refused(answer: bytes) -> None:
    with pytest.raises(BindingRefused) as refusal:
        complete(checked(GOOD), SECRET, answer)
    assert refusal.value.code is BindingCode.NOT_ACTIVATED


def test_an_empty_secret_matches_no_answer() -> None:
    with pytest.raises(BindingRefused):
        complete(checked(GOOD), b"", b"")


def test_only_a_whole_secret_is_sent() -> None:
    with pytest.raises(ValueError, match="32"):
        challenge(checked(GOOD), b"short")


def test_the_qualifying_data_is_told_apart_by_nonce_and_guid() -> None:
    base = qualifying_data(NONCE, GUID)
    said = b"vouchgate binding 1: device key certified by attestation key\0"
    assert base == HashAlg.SHA256.digest(said, NONCE, GUID.raw)
    assert base != qualifying_data(b"\1" * 32, GUID)
    assert base != qualifying_data(NONCE, Guid(bytes(16)))


def test_every_message_survives_the_wire() -> None:
    request = BindingRequest(NONCE, ("rsa",))
    sent = challenge(checked(GOOD), SECRET)
    chained = replace(GOOD, ek_certificate=None, ek_chain=(b"a", b"b"))
    assert BindingRequest.from_cbor(request.encode()) == request
    assert BindingChallenge.from_cbor(sent.encode()) == sent
    assert BindingEvidence.from_cbor(chained.encode()) == chained


def test_a_pending_binding_is_never_read_as_a_complete_one() -> None:
    pending = checked(GOOD)
    binding = complete(pending, SECRET, SECRET)
    assert PendingBinding.from_cbor(pending.encode()) == pending
    assert Binding.from_cbor(binding.encode()) == binding
    with pytest.raises(BindingRefused):
        Binding.from_cbor(pending.encode())
    with pytest.raises(BindingRefused):
        PendingBinding.from_cbor(binding.encode())


def test_the_reasons_of_a_weaker_class_are_kept() -> None:
    pending = checked(replace(GOOD, ek_certificate=None))
    again = PendingBinding.from_cbor(pending.encode())
    assert again.ek_verdict == pending.ek_verdict
    assert again.ek_verdict.reasons


OVERSIZED: dict[str, dict[str, Any]] = {
    "EK": {"ek_public": bytes(1025)},
    "certificate": {"ek_certificate": bytes(8193)},
    "chain": {"ek_chain": (b"",) * 5},
    "statement": {"certify_message": bytes(1025)},
}


@pytest.mark.parametrize("case", OVERSIZED)
def test_evidence_is_bounded(case: str) -> None:
    odd = replace(GOOD, **OVERSIZED[case])
    with pytest.raises(BindingRefused) as refusal:
        BindingEvidence.from_cbor(odd.encode())
    assert refusal.value.code is BindingCode.MALFORMED


def test_a_stored_binding_with_an_unknown_class_is_refused() -> None:
    fields = cbor.array(cbor.decode(complete(checked(GOOD), SECRET, SECRET).encode()))
    for place, odd in ((5, "dsa"), (7, "fine"), (6, ["fine", [], [], None])):
        changed = [*fields[:place], odd, *fields[place + 1 :]]
        with pytest.raises(BindingRefused):
            Binding.from_cbor(cbor.encode(changed))
