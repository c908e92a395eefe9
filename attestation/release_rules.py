"""The rules of a release, one fact each: satisfied (a sentence) or in the way."""

from collections.abc import Callable
from typing import assert_never

from attestation.appraisal import Appraisal, Verdict
from attestation.binding import BindingClass
from attestation.decision import DenyCode, Reason
from attestation.documents import CLOCK_SKEW
from attestation.ek_verdict import EkClass
from attestation.facts import Facts, Ownership
from attestation.policy import ReleasePolicy

# None: the policy does not ask for it.
Rule = Callable[[Facts, ReleasePolicy, int], str | Reason | None]


def _ownership(facts: Facts, _policy: ReleasePolicy, _now: int) -> str | Reason:
    match facts.ownership:
        case Ownership.OWNED:
            return "the device is owned"
        case Ownership.RETIRED:
            return Reason(
                DenyCode.RETIRED,
                "the device is retired",
                "onboard it again under a new voucher",
            )
        case Ownership.NOT_YET | None:
            return Reason(
                DenyCode.NOT_OWNED,
                "the device has not been onboarded",
                "power it on where it reaches the rendezvous server, and see TO2 done",
            )
        case other:
            assert_never(other)


def _ek(facts: Facts, policy: ReleasePolicy, _now: int) -> str | Reason:
    klass = facts.ek_class
    if klass is None:
        return Reason(
            DenyCode.EK_UNKNOWN,
            "the endorsement key has not been judged",
            "onboard the device with an agent that binds its TPM",
        )
    if klass is not EkClass.REFUSED and klass in policy.accepted_ek:
        return f"EK class {klass.value} is accepted"
    return Reason(
        DenyCode.EK_NOT_ACCEPTED,
        f"EK class is {klass.value}; accepted: {_names(policy.accepted_ek)}",
        _ek_remedy(klass),
    )


def _ek_remedy(klass: EkClass) -> str:
    match klass:
        case EkClass.NO_CERTIFICATE:
            return "import the manufacturer's passport, then onboard the device again"
        case EkClass.REFUSED:
            return "read the binding's reasons: this TPM is not one to trust"
        case EkClass.VENDOR_TRUSTED | EkClass.PASSPORT_TRUSTED | EkClass.ACCEPTED_ONCE:
            return "let the release policy accept this class, if that is meant"
        case other:
            assert_never(other)


def _identity(facts: Facts, policy: ReleasePolicy, _now: int) -> str | Reason | None:
    if not policy.factory_identity:
        return None
    if facts.factory_identity:
        return "its factory identity is of a trusted maker"
    return Reason(
        DenyCode.NO_IDENTITY,
        "no maker that is trusted has certified the TPM's attestation identity (IAK)",
        "name the maker's CA in the trust store's identity_cas_pem, then onboard the"
        " device again; or ask for no factory identity where TPMs have none",
    )


def _binding(facts: Facts, policy: ReleasePolicy, _now: int) -> str | Reason:
    klass = facts.binding_class
    if klass is None or klass is BindingClass.UNBOUND:
        return Reason(
            DenyCode.BINDING_UNKNOWN,
            "device key and TPM were never shown to belong together",
            "onboard the device with an agent that binds its TPM",
        )
    if klass in policy.accepted_binding:
        return f"binding class {klass.value} is accepted"
    return Reason(
        DenyCode.BINDING_NOT_ACCEPTED,
        f"binding class is {klass.value}; accepted: {_names(policy.accepted_binding)}",
        "keep the device key in the TPM, or let the release policy accept this class",
    )


def _verdict(facts: Facts, _policy: ReleasePolicy, _now: int) -> str | Reason:
    appraisal = facts.appraisal
    if appraisal is None:
        return never_appraised()
    if appraisal.guid != facts.guid:
        return Reason(
            DenyCode.APPRAISAL_OF_ANOTHER,
            "the appraisal is of another device",
            "appraise this device",
        )
    match appraisal.verdict:
        case Verdict.PASSED:
            return f"appraisal {appraisal.id} passed"
        case Verdict.FAILED:
            return Reason(
                DenyCode.APPRAISAL_FAILED,
                f"the last appraisal failed: {_failures(appraisal)}",
                "mend the device, or correct the policy if it is wrong; then appraise",
            )
        case Verdict.NOT_CHECKED:
            return Reason(
                DenyCode.NOT_CHECKED,
                "not checked: nothing was compared",
                "assign a policy that compares something, then have the device attest",
            )
        case other:
            assert_never(other)


def _compared(facts: Facts, _policy: ReleasePolicy, now: int) -> str | Reason:
    assigned, appraisal = facts.policy, facts.appraisal
    if assigned is None or not assigned.required:
        return Reason(
            DenyCode.NO_POLICY,
            "no attestation policy that compares anything is assigned",
            "assign an attestation policy to the device; if its labels put it in"
            " several cohorts, have them agree",
        )
    if appraisal is None:
        return never_appraised()
    under = facts.appraised_under
    if under is None or _window_over(facts, now):
        over = "" if under is None else "; the update window is over"
        return Reason(
            DenyCode.OTHER_POLICY,
            f"the appraisal was under {appraisal.policy_name} version"
            f" {appraisal.policy_version}, assigned is {assigned.name} version"
            f" {assigned.version}{over}",
            "wait for the next appraisal, or have the device attest now",
        )
    missing = sorted(set(under.required) - set(appraisal.compared))
    if missing:
        return Reason(
            DenyCode.COMPARED_TOO_LITTLE,
            f"the appraisal did not compare {', '.join(missing)}",
            "see why the verifier left it out, then have the device attest",
        )
    return f"compared {', '.join(under.required)} under policy {under.name}"


def _under_old(facts: Facts) -> bool:
    """Whether the appraisal counts for the sake of an update window alone."""
    under, assigned = facts.appraised_under, facts.policy
    return assigned is not None and under is not None and under != assigned


def _window_over(facts: Facts, now: int) -> bool:
    window = facts.update
    return _under_old(facts) and (window is None or now > window.until)


def _fresh(facts: Facts, policy: ReleasePolicy, now: int) -> str | Reason:
    until = good_until(facts, policy)
    if facts.appraisal is None or until is None:
        return never_appraised()
    at = facts.appraisal.at
    if at > now + CLOCK_SKEW:
        return Reason(
            DenyCode.FROM_THE_FUTURE,
            f"the last appraisal is {span(at - now)} ahead of our clock",
            "set the clocks of owner and verifier",
        )
    age, limit = _ages(max(0, now - at), until - at)
    good = " good" if facts.appraisal.verdict is Verdict.PASSED else ""
    told = f"last{good} appraisal is {age} old, limit {limit}"
    if now <= until:
        return told
    return Reason(
        DenyCode.STALE,
        told,
        "have the device attest; if it does not, see whether it and Keylime are up",
    )


def _labels(facts: Facts, policy: ReleasePolicy, _now: int) -> str | Reason:
    have = facts.labels
    wanted = policy.required_labels
    missing = [
        f"{k}={v}" for k, v in sorted(wanted.items()) if (have or {}).get(k) != v
    ]
    if have is None or missing:
        return Reason(
            DenyCode.LABELS,
            f"the device is not labelled {', '.join(missing) or 'at all'}",
            "label the device, if it belongs there",
        )
    return "labels match"


def _assignment(facts: Facts, _policy: ReleasePolicy, _now: int) -> str | Reason:
    if not facts.manifest_digest:
        return Reason(
            DenyCode.NOTHING_ASSIGNED,
            "no manifest is assigned to the device",
            "assign a manifest",
        )
    return f"manifest {facts.manifest_digest} is assigned"


def _freeze(facts: Facts, _policy: ReleasePolicy, _now: int) -> str | Reason:
    if facts.freezes == ():
        return "nothing is frozen"
    names = "unknown" if facts.freezes is None else ", ".join(facts.freezes)
    return Reason(
        DenyCode.FROZEN,
        f"releases are frozen: {names}",
        "lift the freeze when it is time",
    )


def _withdrawn(facts: Facts, _policy: ReleasePolicy, _now: int) -> str | Reason:
    if facts.withdrawn is False:
        return "the workload is not withdrawn"
    return Reason(
        DenyCode.WITHDRAWN,
        "the workload was withdrawn from this device",
        "see why, mend the device and have it attest once it has proved the removal;"
        " if people withdrew it, lift their freeze too",
    )


RULES: tuple[Rule, ...] = (
    _ownership,
    _ek,
    _identity,
    _binding,
    _verdict,
    _compared,
    _fresh,
    _labels,
    _assignment,
    _freeze,
    _withdrawn,
)


def good_until(facts: Facts, policy: ReleasePolicy) -> int | None:
    """When the last appraisal stops counting: the shorter of lease and limit.

    Not later than the update window that it rests on, if it rests on one.
    """
    if facts.appraisal is None or facts.policy is None:
        return None
    under = facts.appraised_under or facts.policy
    limit = min(under.lease_seconds, policy.max_age_seconds)
    until = facts.appraisal.at + limit
    if facts.update is not None and _under_old(facts):
        return min(until, facts.update.until)
    return until


def never_appraised() -> Reason:
    return Reason(
        DenyCode.NEVER_APPRAISED,
        "the device has no concluded appraisal",
        "have the device attest; if it does, see whether Keylime answers",
    )


def _failures(appraisal: Appraisal) -> str:
    said = "; ".join(f"{one.type}: {one.message}" for one in appraisal.failures[:3])
    return said or "no reason was given"


def _names(classes: frozenset[EkClass] | frozenset[BindingClass]) -> str:
    return ", ".join(sorted(one.value for one in classes))


def span(seconds: int) -> str:
    """Say a length of time as people do: ``95 s``, ``31 min``, ``5 h``, ``3 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _ages(age: int, limit: int) -> tuple[str, str]:
    """Both as people say them, but in seconds where that would hide who is longer."""
    if span(age) == span(limit):
        return f"{age} s", f"{limit} s"
    return span(age), span(limit)
