"""Public areas, attestations and signatures: real ones read, all else is refused."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from hw.algorithms import HashAlg, KeyAlg, Scheme, SchemeAlg
from hw.errors import EvidenceError, HwError, StructureError
from hw.structures import Attest, AttestKind, PublicArea, TpmaObject, verify_attest
from tests.support.tpm_statements import (
    AES128,
    AK,
    EK,
    NULL,
    P256,
    UNEXPORTABLE,
    SoftAk,
    Statement,
    ecc_public,
    rsa_public,
    sized,
)

RECORDED = json.loads(
    Path(__file__, "../../../vectors/tpm/swtpm-0.7.1.json").resolve().read_text()
)
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA_KEY = rsa.generate_private_key(65537, 2048).public_key()
ECC_AK, RSA_AK, PSS_AK = (SoftAk.new(kind) for kind in ("ecc", "rsa", "pss"))
SIGN = TpmaObject.SIGN


@pytest.mark.parametrize("alg", ["rsa2048", "ecc256", "ecc384"])
def test_a_real_endorsement_key_is_read_whole(alg: str) -> None:
    raw = bytes.fromhex(RECORDED["eks"][alg]["public"])
    area = PublicArea.from_bytes(raw)
    assert area.raw == raw
    assert area.type is (KeyAlg.RSA if alg == "rsa2048" else KeyAlg.ECC)
    assert area.require_endorsement_key().bits == (256 if alg == "ecc384" else 128)
    assert len(area.policy) == area.name_alg.size


@pytest.mark.parametrize("alg", ["ecc", "rsa"])
def test_a_real_attestation_keys_name_is_the_one_its_tpm_gave(alg: str) -> None:
    recorded = RECORDED["attestation"][alg]
    area = PublicArea.from_bytes(bytes.fromhex(recorded["public"]))
    assert area.name.hex() == recorded["name"]
    expected = SchemeAlg.ECDSA if alg == "ecc" else SchemeAlg.RSASSA
    assert area.require_attestation_key() == Scheme(expected, HashAlg.SHA256)


def test_a_real_device_key_is_a_device_key_and_nothing_else() -> None:
    area = PublicArea.from_bytes(bytes.fromhex(RECORDED["device_key"]))
    area.require_device_key()
    with pytest.raises(EvidenceError, match="role"):
        area.require_attestation_key()
    with pytest.raises(EvidenceError, match="role"):
        area.require_endorsement_key()


def test_a_p384_key_is_read() -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    area = PublicArea.from_bytes(ecc_public(key, UNEXPORTABLE | SIGN))
    assert area.key == key


GOOD = ecc_public(KEY, AK)
CURVE = bytes.fromhex(P256 + NULL)
BAD_AREAS = {
    "empty": b"",
    "size only": b"\x00\x10",
    "one byte too many": GOOD + b"\0",
    "cut short": GOOD[:-1],
    "bytes left inside": sized(GOOD[2:] + b"\0"),
    "larger than any key": sized(bytes(1100)),
    "SHA-1 names": ecc_public(KEY, AK, name_alg="0004"),
    "keyed hash": sized(b"\x00\x08" + GOOD[4:]),
    "reserved attribute": ecc_public(KEY, int(AK) | 1),
    "policy half a digest": sized(GOOD[2:10] + sized(bytes(16)) + GOOD[12:]),
    "Triple DES": ecc_public(KEY, EK, symmetric="000300c00043", scheme=NULL),
    "AES in CBC mode": ecc_public(KEY, EK, symmetric="000600800042", scheme=NULL),
    "AES-192": ecc_public(KEY, EK, symmetric="000600c00043", scheme=NULL),
    "ECDSA with SHA-1": ecc_public(KEY, AK, scheme="00180004"),
    "RSASSA on a curve": ecc_public(KEY, AK, scheme="0014000b"),
    "ECDAA": ecc_public(KEY, AK, scheme="001a000b0000"),
    "a key derivation scheme": ecc_public(KEY, AK, kdf="0020000b"),
    "unknown curve": GOOD.replace(CURVE, bytes.fromhex("00050010")),
    "point off the curve": GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "exponent 3": rsa_public(RSA_KEY, AK, exponent=3),
    "even modulus": rsa_public(RSA_KEY, AK)[:-1] + b"\0",
    "modulus of another size": rsa_public(RSA_KEY, AK).replace(b"\x08\0", b"\x0c\0", 1),
}


def test_the_unaltered_areas_are_read() -> None:
    assert PublicArea.from_bytes(GOOD).key == KEY
    assert PublicArea.from_bytes(rsa_public(RSA_KEY, AK)).key == RSA_KEY
    named = rsa_public(RSA_KEY, AK, exponent=65537)
    assert PublicArea.from_bytes(named).key == RSA_KEY
    ek = PublicArea.from_bytes(ecc_public(KEY, EK, symmetric=AES128, scheme=NULL))
    assert ek.require_endorsement_key().bits == 128


@pytest.mark.parametrize("name", BAD_AREAS)
def test_a_malformed_public_area_is_refused(name: str) -> None:
    with pytest.raises(StructureError):
        PublicArea.from_bytes(BAD_AREAS[name])


NO_AK = {
    "could be duplicated": AK & ~TpmaObject.FIXED_PARENT,
    "was imported": AK & ~TpmaObject.SENSITIVE_DATA_ORIGIN,
    "may move to another TPM": AK & ~TpmaObject.FIXED_TPM,
    "signs anything": AK & ~TpmaObject.RESTRICTED,
    "decrypts": EK,
    "signs and decrypts": AK | TpmaObject.DECRYPT,
}


@pytest.mark.parametrize("name", NO_AK)
def test_a_key_that_could_forge_statements_is_no_attestation_key(name: str) -> None:
    forger = SoftAk.new(attributes=NO_AK[name])
    message = Statement.certify(forger.area.name).message()
    with pytest.raises(EvidenceError):
        verify_attest(forger.area, message, forger.sign(message))


def test_an_attestation_key_with_an_open_scheme_is_refused() -> None:
    area = PublicArea.from_bytes(ecc_public(KEY, AK, scheme=NULL))
    with pytest.raises(EvidenceError, match="no fixed signature scheme"):
        area.require_attestation_key()


def test_an_endorsement_key_without_cipher_is_refused() -> None:
    area = PublicArea.from_bytes(ecc_public(KEY, EK, scheme=NULL))
    with pytest.raises(EvidenceError, match="cipher"):
        area.require_endorsement_key()


@pytest.mark.parametrize("alg", ["ecc", "rsa"])
def test_real_statements_verify_and_say_what_they_say(alg: str) -> None:
    recorded = {k: bytes.fromhex(v) for k, v in RECORDED["attestation"][alg].items()}
    area = PublicArea.from_bytes(recorded["public"])
    quote = verify_attest(area, recorded["quote"], recorded["quote_signature"])
    assert quote.kind is AttestKind.QUOTE
    assert quote.extra_data.hex() == RECORDED["nonce"]
    (selection,) = quote.pcr_selection
    assert selection.bank is HashAlg.SHA256
    assert list(selection.pcrs) == [int(pcr) for pcr in RECORDED["pcrs"]]
    certify = verify_attest(area, recorded["certify"], recorded["certify_signature"])
    device_key = PublicArea.from_bytes(bytes.fromhex(RECORDED["device_key"]))
    assert certify.kind is AttestKind.CERTIFY
    assert certify.certified_name == device_key.name


@pytest.mark.parametrize("ak", [ECC_AK, RSA_AK, PSS_AK], ids=["ecdsa", "rsassa", "pss"])
def test_every_scheme_of_ours_verifies(ak: SoftAk) -> None:
    message = Statement.certify(ak.area.name).message()
    attest = verify_attest(ak.area, message, ak.sign(message))
    assert (attest.clock, attest.reset_count, attest.restart_count) == (123456, 7, 3)
    assert attest.safe
    assert attest.firmware == 9


MESSAGE = Statement.certify(ECC_AK.area.name).message()
BAD_SIGNATURES = {
    "none": b"",
    "another message's": ECC_AK.sign(b"another message"),
    "another key's": SoftAk.new().sign(MESSAGE),
    "an RSA key's": RSA_AK.sign(MESSAGE),
    "said to be over SHA-384": b"\x00\x18\x00\x0c" + ECC_AK.sign(MESSAGE)[4:],
    "said to be over SHA-1": b"\x00\x18\x00\x04" + ECC_AK.sign(MESSAGE)[4:],
    "an HMAC": b"\x00\x05\x00\x0b" + bytes(32),
    "null": b"\x00\x10",
    "bytes left over": ECC_AK.sign(MESSAGE) + b"\0",
    "zeros": bytes.fromhex("0018000b") + sized(bytes(32)) * 2,
    "empty numbers": bytes.fromhex("0018000b") + sized(b"") * 2,
    "numbers too long": bytes.fromhex("0018000b") + sized(b"\1" * 49) * 2,
}


@pytest.mark.parametrize("name", BAD_SIGNATURES)
def test_a_bad_signature_is_refused(name: str) -> None:
    verify_attest(ECC_AK.area, MESSAGE, ECC_AK.sign(MESSAGE))
    with pytest.raises(HwError):
        verify_attest(ECC_AK.area, MESSAGE, BAD_SIGNATURES[name])


STATEMENT = Statement.quote({0: bytes(32), 7: bytes(32)})
_HEAD = STATEMENT.selection[:4]
BAD_STATEMENTS = {
    "magic of outside data": STATEMENT.but(magic=0xFF544346),
    "another kind": STATEMENT.but(kind=0x8019),
    "nonce too long": STATEMENT.but(nonce=bytes(67)),
    "safe is 2": STATEMENT.but(clock=bytes(16) + b"\2"),
    "four banks": STATEMENT.but(selection=b"\0\0\0\4" + STATEMENT.selection[4:] * 4),
    "SHA-1 bank": STATEMENT.but(selection=_HEAD + bytes.fromhex("000403810000")),
    "bitmap of two bytes": STATEMENT.but(selection=_HEAD + bytes.fromhex("000b028100")),
    "bytes left over": STATEMENT.but(body=STATEMENT.body + b"\0"),
    "digest too long": STATEMENT.but(body=sized(bytes(65))),
    "nothing after the selection": STATEMENT.but(body=b""),
}


@pytest.mark.parametrize("name", BAD_STATEMENTS)
def test_a_malformed_statement_is_refused_though_rightly_signed(name: str) -> None:
    good, bad = STATEMENT.message(), BAD_STATEMENTS[name].message()
    verify_attest(ECC_AK.area, good, ECC_AK.sign(good))
    with pytest.raises(StructureError):
        verify_attest(ECC_AK.area, bad, ECC_AK.sign(bad))


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda b: GOOD[:40] + b))
def test_any_bytes_give_a_public_area_or_our_own_error(data: bytes) -> None:
    try:
        assert PublicArea.from_bytes(data).raw == data
    except HwError:
        pass


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda b: MESSAGE[:30] + b))
def test_any_bytes_give_a_statement_or_our_own_error(data: bytes) -> None:
    try:
        Attest.from_bytes(data)
    except HwError:
        pass


@given(st.binary(max_size=140), st.sampled_from([ECC_AK, RSA_AK, PSS_AK]))
def test_no_bytes_pass_for_a_signature(data: bytes, ak: SoftAk) -> None:
    for signature in (data, ak.sign(b"")[:4] + data, ak.sign(b"")[:4] + sized(data)):
        with pytest.raises(HwError):
            verify_attest(ak.area, MESSAGE, signature)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_changes_the_name_or_is_refused(at: int, change: int) -> None:
    altered = GOOD[:at] + bytes([GOOD[at] ^ change]) + GOOD[at + 1 :]
    try:
        name = PublicArea.from_bytes(altered).name
    except HwError:
        return
    assert name != PublicArea.from_bytes(GOOD).name
