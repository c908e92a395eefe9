"""A device that may have its manifests, to take one thing away from."""

from dataclasses import replace

from attestation.appraisal import Appraisal, Channel, Verdict
from attestation.binding import BindingClass
from attestation.ek_verdict import EkClass
from attestation.facts import AssignedPolicy, Facts, Ownership
from attestation.policy import AttestationPolicy
from ownership_vouchers.types import Guid

NOW = 1_800_000_000
GUID = Guid(bytes(range(16)))
POLICY = AttestationPolicy("boot", 2, {0: ("00" * 32,), 7: ("11" * 32, "22" * 32)})
APPRAISAL = Appraisal(
    id="appraisal-1",
    guid=GUID,
    channel=Channel.EVIDENCE,
    verdict=Verdict.PASSED,
    compared=POLICY.required,
    failures=(),
    policy_name=POLICY.name,
    policy_version=POLICY.version,
    policy_digest=POLICY.digest(),
    evidence_digest="ab" * 32,
    at=NOW - 60,
    clock=1000,
    reset_count=3,
    restart_count=0,
    firmware=9,
)
FACTS = Facts(
    guid=GUID,
    ownership=Ownership.OWNED,
    ek_class=EkClass.VENDOR_TRUSTED,
    binding_class=BindingClass.TPM_BOUND,
    appraisal=APPRAISAL,
    policy=AssignedPolicy.of(POLICY),
    labels={"site": "berlin"},
    manifest_digest="cd" * 32,
    freezes=(),
    withdrawn=False,
)


def appraised(**changes: object) -> Facts:
    """The facts with the appraisal changed."""
    appraisal = replace(APPRAISAL, **changes)  # type: ignore[arg-type]
    return replace(FACTS, appraisal=appraisal)
