"""Who would fail if a cohort's policy were enforced: asked before it is."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.cohort import Cohort, claims
from onboarding.services import rows
from onboarding.services.context import Context
from onboarding.store.appraisals import Outcome
from onboarding.store.observations import Member

_DOMAIN = b"vouchgate cohort preview 1\0"


@unique
class Standing(StrEnum):
    """How a device would fare under a cohort's policy."""

    WOULD_PASS = "would-pass"  # noqa: S105 - not a password
    WOULD_FAIL = "would-fail"
    NOT_SEEN = "not-seen"  # not observed under it, or too long ago, or not comparable
    CONTESTED = "contested"  # another cohort enforces another policy on it


@dataclass(frozen=True, slots=True)
class Preview:
    """Every device of a cohort with how it would fare, at one moment.

    ``digest`` names those who would not pass: who enforces says it, so that nobody
    enforces what they have not looked at. 64 hexadecimal digits.
    """

    cohort: Cohort
    members: tuple[tuple[Standing, Member], ...]
    digest: str

    def count(self, standing: Standing) -> int:
        return sum(one is standing for one, _ in self.members)

    @property
    def in_the_way(self) -> tuple[tuple[Standing, Member], ...]:
        """Those who would not pass, the failures first."""
        order = (Standing.WOULD_FAIL, Standing.CONTESTED, Standing.NOT_SEEN)
        return tuple(one for kind in order for one in self.members if one[0] is kind)


def preview(context: Context, cohort: Cohort) -> Preview:
    """Look at every device of the cohort. Raises NotFound without its policy."""
    stores, now = context.stores, context.now()
    policy = rows.attestation_policy(stores.policies.get(cohort.policy, cohort.version))
    digest, since = bytes.fromhex(policy.digest()), now - policy.lease_seconds
    others = [one for one in stores.cohorts.every() if one.name != cohort.name]
    found = tuple(
        (_standing(one, cohort, others, digest, since), one)
        for one in stores.observations.members(cohort)
    )
    return Preview(cohort, found, _digest(policy.digest(), found))


def _standing(
    one: Member, cohort: Cohort, others: Iterable[Cohort], digest: bytes, since: int
) -> Standing:
    wanted = (cohort.policy, cohort.version)
    held = claims(one.labels, others).enforcing
    if any((each.policy, each.version) != wanted for each in held):
        return Standing.CONTESTED
    seen = one.observation
    if seen is None or seen.policy_digest != digest:
        return Standing.NOT_SEEN
    if seen.outcome is Outcome.FAILED:
        return Standing.WOULD_FAIL
    fresh = seen.outcome is Outcome.PASSED and seen.at >= since
    return Standing.WOULD_PASS if fresh else Standing.NOT_SEEN


def _digest(policy: str, found: Iterable[tuple[Standing, Member]]) -> str:
    said = hashlib.sha256(_DOMAIN + policy.encode())
    for standing, one in found:
        if standing is not Standing.WOULD_PASS:
            said.update(one.guid + standing.value.encode() + b"\0")
    return said.hexdigest()
