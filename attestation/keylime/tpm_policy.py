"""PCR values in Keylime's form: a JSON text that names numbers and allowed digests."""

import json
import re
from collections.abc import Mapping, Sequence

from attestation.keylime.errors import KeylimeError

PcrPolicy = Mapping[int, Sequence[str]]  # PCR number -> allowed values, lower-case hex

PCRS = range(24)
MAX_VALUES = 64
BANKS = {64: "sha256", 96: "sha384", 128: "sha512"}  # by hex digits in a digest
_HEX = re.compile(r"[0-9a-f]+")


def bank_of(policy: PcrPolicy) -> str:
    """Return the one bank whose digests the policy lists.

    Raises:
        KeylimeError: The policy compares nothing (Keylime would call that valid), or
            holds a value that is no digest, or digests of several banks.
    """
    if not policy:
        raise KeylimeError("the policy pins no PCR, so nothing would be compared")
    sizes = {_digits(pcr, values) for pcr, values in policy.items()}
    if len(sizes) != 1:
        raise KeylimeError("the policy mixes PCR banks")
    return BANKS[sizes.pop()]


def policy_text(policy: PcrPolicy) -> str:
    """Return the policy as Keylime takes it, checked as ``bank_of`` does."""
    return bank_and_text(policy)[1]


def bank_and_text(policy: PcrPolicy) -> tuple[str, str]:
    """Return both, for one check of what may be many values."""
    bank = bank_of(policy)
    return bank, json.dumps({str(pcr): list(policy[pcr]) for pcr in sorted(policy)})


def _digits(pcr: int, values: Sequence[str]) -> int:
    """Return how many hex digits each of a PCR's allowed values has."""
    regular = isinstance(values, (list, tuple)) and all(map(_HEX.fullmatch, values))
    if pcr not in PCRS or not regular or not 0 < len(values) <= MAX_VALUES:
        raise KeylimeError(f"PCR {pcr}: not a PCR with digests to allow")
    sizes = set(map(len, values))
    if len(sizes) != 1 or not sizes <= BANKS.keys():
        raise KeylimeError(f"PCR {pcr}: values are not digests of one bank")
    return sizes.pop()
