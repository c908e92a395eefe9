"""Values of the attestation package as records of the store, and back."""

import json
from functools import lru_cache

from attestation.appraisal import Appraisal, AppraisalFailure, Channel, Verdict
from attestation.binding import Binding
from attestation.decision import Allow, Deny
from attestation.passport import key_digest
from attestation.policy import AttestationPolicy, ReleasePolicy, canonical
from attestation.release import DecisionRecord
from hw.public_area import PublicArea
from onboarding.store import decisions, policies
from onboarding.store.appraisals import AppraisalRecord, FailureRecord, Outcome
from onboarding.store.bindings import BindingRecord
from onboarding.store.decisions import ReasonRecord
from onboarding.store.policies import PolicyKind, PolicyRecord
from ownership_vouchers.types import Guid


def appraisal_record(
    appraisal: Appraisal, lease: int | None, ek_class: str | None = None
) -> AppraisalRecord:
    """``lease`` in seconds, for one that passed; ``ek_class`` is the binding's."""
    return AppraisalRecord(
        appraisal.id,
        appraisal.guid.raw,
        appraisal.channel.value,
        Outcome(appraisal.verdict.value),
        appraisal.compared,
        tuple(FailureRecord(one.type, one.message) for one in appraisal.failures),
        appraisal.policy_name,
        appraisal.policy_version,
        bytes.fromhex(appraisal.policy_digest),
        bytes.fromhex(appraisal.evidence_digest),
        appraisal.at,
        None if lease is None else appraisal.at + lease,
        appraisal.clock,
        appraisal.reset_count,
        appraisal.restart_count,
        appraisal.firmware,
        ek_class,
    )


def appraisal(record: AppraisalRecord) -> Appraisal:
    """The appraisal that a record keeps."""
    return Appraisal(
        record.id,
        Guid(record.guid),
        Channel(record.channel),
        Verdict(record.outcome.value),
        record.compared,
        tuple(AppraisalFailure(one.kind, one.message) for one in record.failures),
        record.policy_name,
        record.policy_version,
        record.policy_digest.hex(),
        record.evidence_digest.hex(),
        record.at,
        record.clock,
        record.reset_count,
        record.restart_count,
        record.firmware,
    )


def binding_record(
    binding: Binding, channel: Channel, passport_digest: bytes | None, now: int
) -> BindingRecord:
    """What TO2 found out about a device's TPM."""
    ek = PublicArea.from_bytes(binding.ek_public)
    return BindingRecord(
        binding.guid.raw,
        binding.ek_public,
        binding.ek_certificate,
        key_digest(ek.key),
        binding.ek_class.value,
        tuple(one.sentence for one in binding.ek_verdict.reasons),
        binding.ak_public,
        binding.ak_alg,
        channel.value,
        binding.klass.value,
        passport_digest,
        now,
        tuple((one.code.value, one.sentence) for one in binding.ek_verdict.notes),
        binding.ek_verdict.store or None,
        binding.identity or None,
    )


def policy_record(
    policy: AttestationPolicy | ReleasePolicy, actor: str, now: int
) -> PolicyRecord:
    """A policy under the digest that appraisals and decisions name it by."""
    kind = PolicyKind.RELEASE
    if isinstance(policy, AttestationPolicy):
        kind = PolicyKind.ATTESTATION
    return PolicyRecord(
        policy.name,
        policy.version,
        kind,
        bytes.fromhex(policy.digest()),
        canonical(policy.to_json()),
        now,
        actor,
    )


def attestation_policy(record: policies.PolicyRecord) -> AttestationPolicy:
    """The attestation policy that a record keeps; the short ones are read once."""
    read = _known_policy if len(record.body) <= _SHORT else _read_policy
    return read(record.body)


def _read_policy(body: bytes) -> AttestationPolicy:
    return AttestationPolicy.from_json(json.loads(body))


_SHORT, _KEPT = 16 * 1024, 64  # bytes of a document, and how many of them
_known_policy = lru_cache(_KEPT)(_read_policy)


def release_policy(record: policies.PolicyRecord) -> ReleasePolicy:
    """The release policy that a record keeps."""
    return ReleasePolicy.from_json(json.loads(record.body))


def decision_record(made: DecisionRecord, decision_id: str) -> decisions.DecisionRecord:
    """A decision with its inputs, enough to make it again."""
    manifest = made.facts.manifest_digest
    return decisions.DecisionRecord(
        decision_id,
        made.facts.guid.raw,
        isinstance(made.decision, Allow),
        _reasons(made.decision),
        json.dumps(made.to_json()).encode(),
        bytes.fromhex(made.policy.digest()),
        None if manifest is None else bytes.fromhex(manifest),
        made.now,
    )


def _reasons(decision: Allow | Deny) -> tuple[ReasonRecord, ...]:
    match decision:
        case Allow(reasons):
            return tuple(ReasonRecord("allowed", sentence) for sentence in reasons)
        case Deny(reasons):
            return tuple(
                ReasonRecord(one.code.value, one.sentence, one.remedy)
                for one in reasons
            )
