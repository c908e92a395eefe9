"""The PCR values of a quote against those that a policy pins: ours, beside Keylime's.

Keylime's verifier judges the same. Its word alone would let whoever answers in its
place pass any value, so a pass counts only where this says nothing against it.
"""

from collections.abc import Sequence

from attestation.appraisal import AppraisalFailure
from attestation.keylime.tpm_policy import PcrPolicy
from hw.quote import QuoteFacts


def differing(pinned: PcrPolicy, facts: QuoteFacts) -> tuple[AppraisalFailure, ...]:
    """Each PCR that is not quoted, or holds none of the values allowed; in order."""
    return tuple(
        AppraisalFailure(
            f"pcr_validation.invalid_pcr_{pcr}", _said(pcr, allowed, facts)
        )
        for pcr, allowed in sorted(pinned.items())
        if facts.pcrs.get(pcr) not in allowed
    )


def _said(pcr: int, allowed: Sequence[str], facts: QuoteFacts) -> str:
    if pcr not in facts.pcrs:
        return f"PCR {pcr} was not quoted, and the policy pins it"
    which = allowed[0] if len(allowed) == 1 else f"one of {len(allowed)} values"
    return (
        f"PCR {pcr} holds another value than the policy allows:"
        f" {facts.pcrs[pcr]}, where {which} was to be"
    )
