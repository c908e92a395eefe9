"""What changes between two versions of a policy, with what their devices may run."""

from attestation.ima_learn import runtime_changes
from attestation.policy import AttestationPolicy, ReleasePolicy
from attestation.policy_text import policy_changes
from onboarding.services.stores import Stores

Policy = AttestationPolicy | ReleasePolicy


def told_changes(
    stores: Stores, before: Policy | None, after: Policy, draft: bytes = b""
) -> tuple[str, ...]:
    """Lines that went and came: of the policy, then of the runtime policy it names.

    ``draft`` is that of ``after`` if it is not stored.

    Raises:
        NotFound: A runtime policy that is named is not stored.
    """
    return (*policy_changes(before, after), *run_changes(stores, before, after, draft))


def run_changes(
    stores: Stores, before: Policy | None, after: Policy, draft: bytes = b""
) -> tuple[str, ...]:
    """The same of the runtime policies alone; empty where both name the same."""
    old, new = _named(before), _named(after)
    if old == new:
        return ()
    return runtime_changes(_body(stores, old), draft or _body(stores, new))


def _named(policy: Policy | None) -> str | None:
    return policy.runtime_policy if isinstance(policy, AttestationPolicy) else None


def _body(stores: Stores, digest: str | None) -> bytes:
    if digest is None:
        return b""
    return stores.runtime_policies.get(bytes.fromhex(digest))
