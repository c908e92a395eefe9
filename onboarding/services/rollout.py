"""Who would fail if a cohort's policy were enforced: asked before it is."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import islice

from attestation.appraisal import Channel
from attestation.cohort import Cohort, claims
from onboarding.services import rows
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.holding import not_carried
from onboarding.store.appraisals import Outcome
from onboarding.store.observations import Member

MAX_LISTED = 500
_DOMAIN = b"vouchgate cohort preview 1\0"


@unique
class Standing(StrEnum):
    """How a device would fare under a cohort's policy."""

    WOULD_PASS = "would-pass"  # noqa: S105 - not a password
    WOULD_FAIL = "would-fail"
    NOT_SEEN = "not-seen"  # not observed under it, or too long ago, or not comparable
    CONTESTED = "contested"  # another cohort enforces another policy on it


SOME = 500  # devices asked for at once
_IN_THE_WAY = (Standing.WOULD_FAIL, Standing.CONTESTED, Standing.NOT_SEEN)


@dataclass(frozen=True, slots=True)
class Preview:
    """How the devices of a cohort would fare, at one moment.

    ``in_the_way`` are those who would not pass, the failures first, up to a limit.
    ``digest`` names all of them: who enforces says it, so that nobody enforces what
    they have not looked at. 64 hexadecimal digits.
    """

    cohort: Cohort
    counts: Mapping[Standing, int]
    in_the_way: tuple[tuple[Standing, Member], ...]
    digest: str


def preview(context: Context, cohort: Cohort, limit: int = MAX_LISTED) -> Preview:
    """Look at every device of the cohort, some at a time.

    Raises:
        NotFound: Its policy is not there.
    """
    stores, now = context.stores, context.now()
    policy = rows.attestation_policy(stores.policies.get(cohort.policy, cohort.version))
    digest, since = bytes.fromhex(policy.digest()), now - policy.lease_seconds
    others = [one for one in stores.cohorts.every() if one.name != cohort.name]
    counts = dict.fromkeys(Standing, 0)
    listed: dict[Standing, list[Member]] = {one: [] for one in _IN_THE_WAY}
    said = hashlib.sha256(_DOMAIN + policy.digest().encode())
    for one in stores.observations.members(cohort):
        standing = _standing(one, cohort, others, digest, since)
        counts[standing] += 1
        if standing in listed:
            said.update(one.guid + standing.value.encode() + b"\0")
            if len(listed[standing]) < limit:
                listed[standing].append(one)
    found = tuple((kind, one) for kind in _IN_THE_WAY for one in listed[kind])
    return Preview(cohort, counts, found[:limit], said.hexdigest())


def require_carried(context: Context, cohort: Cohort, version: int) -> None:
    """Refuse to enforce what devices of the cohort could never show.

    Raises:
        Problem: 409; says how many they are, and what of the policy it is.
        NotFound: The policy is not there.
    """
    stores = context.stores
    policy = rows.attestation_policy(stores.policies.get(cohort.policy, version))
    lacking = not_carried(policy, Channel.PULL)
    if not lacking:
        return
    members, pulled = iter(stores.observations.members(cohort)), 0
    while some := [one.guid for one in islice(members, SOME)]:
        pulled += len(stores.bindings.enrolled_among(some, (Channel.PULL.value,)))
    if pulled:
        raise Problem(
            409,
            "not-carried",
            f"Policy {policy.name} covers {lacking} on the pull channel. Cohort"
            f" {cohort.name} has {pulled} there, which would never be fresh.",
            remedy="Take them out of it by their labels, or leave these events out.",
        )


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
