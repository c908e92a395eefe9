"""A policy that compares nothing, or not what it seems to, never reaches Keylime."""

import json

import pytest

from attestation.keylime.errors import KeylimeError
from attestation.keylime.tpm_policy import PcrPolicy, bank_of, policy_text

GOOD: PcrPolicy = {16: ("aa" * 32,), 7: ("bb" * 32, "cc" * 32)}
SPOILT: dict[str, PcrPolicy] = {
    "empty": {},
    "no value": {7: ()},
    "PCR 24": {24: ("aa" * 32,)},
    "upper case": {7: ("AA" * 32,)},
    "prefix": {7: ("0x" + "aa" * 31,)},
    "line end": {7: ("a" * 63 + "\n",)},
    "sha1": {7: ("aa" * 20,)},
    "two banks in one PCR": {7: ("aa" * 32, "aa" * 48)},
    "two banks": {7: ("aa" * 32,), 8: ("aa" * 48,)},
    "a text where a list should be": {7: "aa" * 32},
    "too many values": {7: ("aa" * 32,) * 65},
}


def test_a_policy_is_written_as_keylime_reads_it() -> None:
    assert bank_of(GOOD) == "sha256"
    assert json.loads(policy_text(GOOD)) == {
        "7": ["bb" * 32, "cc" * 32],
        "16": ["aa" * 32],
    }


@pytest.mark.parametrize("policy", SPOILT.values(), ids=SPOILT.keys())
def test_an_unsound_policy_is_refused(policy: PcrPolicy) -> None:
    with pytest.raises(KeylimeError):
        policy_text(policy)
