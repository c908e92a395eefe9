"""Evidence that Keylime would read more kindly than we do is not sent to it."""

import base64
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.evidence import MAX_LOG_BYTES, Evidence, EvidenceMismatch
from tests.support.keylime_evidence import BLOB, GOOD, attest


def second_selection() -> bytes:
    """The same blob to us; Keylime would take the later entry for the bank."""
    return BLOB[:12] + struct.pack("<HB3s2x", 0xB, 3, b"\x01\x02\0") + BLOB[20:]


SPOILT: dict[str, Evidence] = {
    "other PCRs signed": replace(GOOD, message=attest(mask=b"\x80\x20\0")),
    "fewer PCRs signed": replace(GOOD, message=attest(mask=b"\x80\0\0")),
    "other bank signed": replace(GOOD, message=attest(bank=0xC)),
    "a certification": replace(GOOD, message=attest(kind=0x8017)),
    "not a TPM's words": replace(GOOD, message=b"\0" + attest()[1:]),
    "octets after the quote": replace(GOOD, message=attest() + b"\0"),
    "two selections counted": replace(GOOD, pcr_blob=b"\2" + BLOB[1:]),
    "short blob": replace(GOOD, pcr_blob=BLOB[:-1]),
    "short nonce": replace(GOOD, nonce=bytes(15)),
    "no signature": replace(GOOD, signature=b""),
    "huge key": replace(GOOD, ak_public=bytes(5000)),
    "policy of another bank": replace(GOOD, pcrs={7: ("00" * 48,)}),
    "IMA without PCR 10": replace(GOOD, runtime_policy="{}", ima_log="x"),
    "event log without its PCRs": replace(GOOD, reference_state="{}"),
    "long log": replace(GOOD, ima_log="x" * (MAX_LOG_BYTES + 1)),
}


def test_sound_evidence_becomes_a_request() -> None:
    data = GOOD.request()["data"]
    assert isinstance(data, dict)
    assert base64.b64decode(data["nonce"]) == GOOD.nonce
    assert data["hash_alg"] == "sha256"
    assert data["quote"].startswith("r")


@pytest.mark.parametrize("evidence", SPOILT.values(), ids=SPOILT.keys())
def test_evidence_that_does_not_fit_together_is_refused(evidence: Evidence) -> None:
    with pytest.raises(EvidenceMismatch):
        evidence.request()


def test_a_policy_that_compares_nothing_is_refused() -> None:
    with pytest.raises(KeylimeError, match="nothing would be compared"):
        replace(GOOD, pcrs={}).request()


@pytest.mark.parametrize("blob", [lambda: BLOB, second_selection])
def test_keylime_only_ever_sees_the_values_that_we_read(
    blob: Callable[[], bytes],
) -> None:
    try:
        data = replace(GOOD, pcr_blob=blob()).request()["data"]
    except EvidenceMismatch:
        return  # refused altogether: just as good
    assert isinstance(data, dict)
    assert base64.b64decode(data["quote"].split(":")[2]) == BLOB
