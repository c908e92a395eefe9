"""Quotes and certifications: only the right key, nonce, values and kind pass."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.algorithms import HashAlg
from hw.errors import EvidenceError, HwError, StructureError
from hw.pcr_blob import MAX_BLOB, build_pcr_blob, parse_pcr_blob
from hw.quote import QuoteFacts, check_certify, check_quote
from hw.structures import PublicArea
from tests.support.tpm_statements import SoftAk, Statement, sized

RECORDED = json.loads(
    Path(__file__, "../../../vectors/tpm/swtpm-0.7.1.json").resolve().read_text()
)
NONCE = b"a nonce of ours"
PCRS = {pcr: bytes([pcr]) * 32 for pcr in (0, 1, 2, 3, 4, 5, 7, 8, 9, 14)}
AK = SoftAk.new()


@dataclass(frozen=True)
class Evidence:
    """All that ``check_quote`` takes."""

    message: bytes
    signature: bytes
    blob: bytes
    ak: SoftAk = AK
    nonce: bytes = NONCE

    def check(self) -> QuoteFacts:
        return check_quote(
            self.ak.area, self.message, self.signature, self.blob, self.nonce
        )


GOOD = Evidence(*AK.quote(PCRS, NONCE))


def signed(statement: Statement, blob: bytes = GOOD.blob) -> Evidence:
    message = statement.but(nonce=NONCE).message()
    return Evidence(message, AK.sign(message), blob)


def blob_of(pcrs: dict[int, bytes], bank: HashAlg = HashAlg.SHA256) -> bytes:
    return build_pcr_blob(bank, pcrs)


@pytest.mark.parametrize("alg", ["ecc", "rsa"])
def test_a_real_quote_gives_its_facts(alg: str) -> None:
    recorded = {k: bytes.fromhex(v) for k, v in RECORDED["attestation"][alg].items()}
    facts = check_quote(
        PublicArea.from_bytes(recorded["public"]),
        recorded["quote"],
        recorded["quote_signature"],
        recorded["pcr_blob"],
        bytes.fromhex(RECORDED["nonce"]),
    )
    assert {str(pcr): value for pcr, value in facts.pcrs.items()} == RECORDED["pcrs"]
    assert facts.bank == "sha256"
    assert facts.reset_count > 0
    assert facts.clock > 0


def test_a_good_quote_gives_its_facts() -> None:
    facts = GOOD.check()
    assert facts.pcrs == {pcr: value.hex() for pcr, value in PCRS.items()}
    assert (facts.clock, facts.reset_count, facts.restart_count) == (123456, 7, 3)


def test_another_bank_can_be_quoted() -> None:
    values = {0: b"\1" * 48, 23: b"\2" * 48}
    blob = blob_of(values, HashAlg.SHA384)
    facts = signed(Statement.quote(values, HashAlg.SHA384), blob).check()
    assert facts.bank == "sha384"
    assert list(facts.pcrs) == [0, 23]


TWO_BANKS = Statement.quote(PCRS)
OTHER = dict(PCRS) | {7: b"\xee" * 32}
FORGERIES: dict[str, Callable[[], Evidence]] = {
    "another nonce": lambda: replace(GOOD, nonce=b"another nonce"),
    "longer nonce": lambda: replace(GOOD, nonce=NONCE + b"\0"),
    "another key": lambda: replace(GOOD, ak=SoftAk.new()),
    "a value changed": lambda: replace(GOOD, blob=blob_of(OTHER)),
    "two values exchanged": lambda: replace(
        GOOD, blob=blob_of(PCRS | {0: PCRS[1], 1: PCRS[0]})
    ),
    "a PCR left out": lambda: replace(
        GOOD, blob=blob_of({p: v for p, v in PCRS.items() if p})
    ),
    "a PCR put in": lambda: replace(GOOD, blob=blob_of(PCRS | {10: bytes(32)})),
    "another bank's values": lambda: replace(
        GOOD, blob=blob_of({p: v + bytes(16) for p, v in PCRS.items()}, HashAlg.SHA384)
    ),
    "no PCR at all": lambda: signed(Statement.quote({}), blob_of({})),
    "a second, empty bank": lambda: signed(
        TWO_BANKS.but(
            selection=(2).to_bytes(4)
            + TWO_BANKS.selection[4:]
            + bytes.fromhex("000c03000000")
        )
    ),
    "a certification": lambda: signed(Statement.certify(AK.area.name)),
    "a digest of no values": lambda: signed(
        Statement.quote(PCRS).but(body=sized(HashAlg.SHA256.digest(b"")))
    ),
    "an empty digest": lambda: signed(Statement.quote(PCRS).but(body=sized(b""))),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_quote_is_refused(name: str) -> None:
    GOOD.check()
    with pytest.raises(EvidenceError):
        FORGERIES[name]().check()


def test_a_statement_of_the_other_kind_is_refused_as_such() -> None:
    with pytest.raises(EvidenceError, match="is no quote"):
        signed(Statement.certify(AK.area.name)).check()
    message, signature, _ = AK.quote(PCRS, NONCE)
    with pytest.raises(EvidenceError, match="is no certify"):
        check_certify(AK.area, DEVICE.area, message, signature, NONCE)


def test_an_empty_nonce_is_refused_even_when_it_matches() -> None:
    message, signature, blob = AK.quote(PCRS, b"")
    with pytest.raises(EvidenceError, match="nonce"):
        check_quote(AK.area, message, signature, blob, b"")


MALFORMED_BLOBS = {
    "empty": b"",
    "one byte short": GOOD.blob[:-1],
    "one byte long": GOOD.blob + b"\0",
    "two banks": b"\2" + GOOD.blob[1:],
    "SHA-1 bank": GOOD.blob[:4] + b"\4" + GOOD.blob[5:],
    "bitmap of four bytes": GOOD.blob[:6] + b"\4" + GOOD.blob[7:],
    "a list too few": GOOD.blob[:132] + b"\1" + GOOD.blob[133:],
    "nine values in a list": GOOD.blob[:136] + b"\x09" + GOOD.blob[137:],
    "a short value": GOOD.blob[:140] + b"\x1f" + GOOD.blob[141:],
    "a second selection that is not counted": (
        GOOD.blob[:12] + bytes.fromhex("0b00038000000000") + GOOD.blob[20:]
    ),
    "something behind a short list": GOOD.blob[:-1] + b"\1",
    "something behind a bitmap": GOOD.blob[:10] + b"\1" + GOOD.blob[11:],
    "larger than 24 PCRs need": GOOD.blob + bytes(MAX_BLOB),
}


@pytest.mark.parametrize("name", MALFORMED_BLOBS)
def test_a_malformed_blob_is_refused(name: str) -> None:
    with pytest.raises(StructureError):
        parse_pcr_blob(MALFORMED_BLOBS[name])


@given(
    st.sampled_from(list(HashAlg)),
    st.dictionaries(st.integers(0, 23), st.binary(min_size=64, max_size=64)),
)
def test_a_blob_survives_the_wire(bank: HashAlg, values: dict[int, bytes]) -> None:
    cut = {pcr: value[: bank.size] for pcr, value in values.items()}
    assert parse_pcr_blob(build_pcr_blob(bank, cut)) == (bank, cut)


@given(st.binary(max_size=MAX_BLOB + 8), st.integers(0, len(GOOD.blob)))
def test_any_bytes_give_values_or_our_own_error(data: bytes, keep: int) -> None:
    for blob in (data, GOOD.blob[:keep] + data):
        try:
            parse_pcr_blob(blob)
        except HwError:
            pass


DEVICE = SoftAk.new()
CERTIFIED = AK.certify(DEVICE.area.name, NONCE)


def test_a_good_certification_passes() -> None:
    attest = check_certify(AK.area, DEVICE.area, *CERTIFIED, NONCE)
    assert attest.certified_name == DEVICE.area.name


@pytest.mark.parametrize("alg", ["ecc", "rsa"])
def test_a_real_certification_passes(alg: str) -> None:
    recorded = {k: bytes.fromhex(v) for k, v in RECORDED["attestation"][alg].items()}
    check_certify(
        PublicArea.from_bytes(recorded["public"]),
        PublicArea.from_bytes(bytes.fromhex(RECORDED["device_key"])),
        recorded["certify"],
        recorded["certify_signature"],
        bytes.fromhex(RECORDED["nonce"]),
    )


BAD_CERTIFICATIONS: dict[str, tuple[SoftAk, SoftAk, tuple[bytes, bytes], bytes]] = {
    "of another key": (AK, AK, CERTIFIED, NONCE),
    "by another key": (DEVICE, DEVICE, CERTIFIED, NONCE),
    "for another nonce": (AK, DEVICE, CERTIFIED, b"another nonce"),
    "without a nonce": (AK, DEVICE, AK.certify(DEVICE.area.name, b""), b""),
    "of no name": (AK, DEVICE, AK.certify(b"", NONCE), NONCE),
    "a quote": (AK, DEVICE, AK.quote(PCRS, NONCE)[:2], NONCE),
}


@pytest.mark.parametrize("name", BAD_CERTIFICATIONS)
def test_a_forged_certification_is_refused(name: str) -> None:
    ak, subject, (message, signature), nonce = BAD_CERTIFICATIONS[name]
    with pytest.raises(EvidenceError):
        check_certify(ak.area, subject.area, message, signature, nonce)
