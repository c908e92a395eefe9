"""What a device is held to now: by its labels' cohorts, else by its own assignment."""

from collections.abc import Iterable
from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.asking import Asking
from attestation.cohort import Claims, claims
from attestation.errors import PolicyError
from attestation.facts import AssignedPolicy, UpdateWindow
from attestation.keylime.boot_reference import REPLAYED, BootReference
from attestation.keylime.held import HeldTo
from attestation.keylime.tpm_policy import MAX_VALUES, PcrPolicy
from attestation.measured_boot import MeasuredBoot
from attestation.policy import AttestationPolicy
from onboarding.services import rows
from onboarding.services.stores import Stores
from onboarding.store.assignments import AssignmentRecord
from onboarding.store.standings import StandingRecord
from onboarding.store.update_windows import UpdateWindowRecord


def not_carried(policy: AttestationPolicy, channel: Channel) -> str:
    """What of a policy evidence on a channel cannot show, in words; "" if nothing.

    On pull the verifier alone sees the log, and holds those PCRs to it that firmware
    and boot loader extend. Push brings us the log itself, and its verdict is ours.
    """
    if channel is not Channel.PULL or policy.measured_boot is None:
        return ""
    beyond = sorted(set(policy.measured_boot.pcrs) - REPLAYED)
    if not beyond:
        return ""
    numbers = ", ".join(map(str, beyond))
    return f"events of PCR {numbers}, which Keylime's verifier does not hold to the log"


def held_under(policy: AttestationPolicy, digest: str) -> bool:
    """Whether the policy of that digest is this one, where PCRs do not say it all."""
    return not policy.needs_logs or policy.digest() == digest


@dataclass(frozen=True, slots=True)
class Observed:
    """A policy that is only seen: what it says decides nothing."""

    cohort: str
    policy: AttestationPolicy


@dataclass(frozen=True, slots=True)
class Updating:
    """A window in which ``policy`` counts as well, until ``until`` (seconds, UTC).

    It ends before that when the device reports ``image`` (SHA-256).
    """

    policy: AttestationPolicy
    until: int
    image: bytes

    @property
    def window(self) -> UpdateWindow:
        return UpdateWindow(AssignedPolicy.of(self.policy), self.until)


def told(
    policy: AttestationPolicy,
    boots: MeasuredBoot | None = None,
    *,
    second: bool = False,
) -> HeldTo:
    """What Keylime's verifier is told of a policy besides the PCRs.

    ``boots`` stand in place of its own. ``second``: another was tried just before, and
    failed.
    """
    allowed = boots or policy.measured_boot
    reference = None if allowed is None else BootReference(policy.bank, allowed)
    return HeldTo(policy.digest(), policy.runtime_policy or "", reference, second)


def lease(policy: AttestationPolicy, update: Updating | None, at: int) -> int:
    """Seconds for which a pass under ``policy`` at ``at`` holds; not above 0: for none.

    Not longer than the update window, if the verdict rests on that.
    """
    if update is None or policy is not update.policy:
        return policy.lease_seconds
    return min(policy.lease_seconds, update.until - at)


@dataclass(frozen=True, slots=True)
class Merged:
    """What two versions allow together, PCR by PCR and boot by boot."""

    pcrs: PcrPolicy
    boots: MeasuredBoot | None


def merged(new: AttestationPolicy, old: AttestationPolicy) -> Merged | None:
    """The same PCRs with either version's values, and the boots of both.

    None where that cannot be said in one: they differ in what may run, in which PCRs
    they cover, or Keylime would be told more values of a PCR than it is to hold.
    """
    same = new.pcrs.keys() == old.pcrs.keys() and new.bank == old.bank
    if not same or new.runtime_policy != old.runtime_policy:
        return None
    pcrs = {n: tuple(dict.fromkeys((*new.pcrs[n], *old.pcrs[n]))) for n in new.pcrs}
    if any(len(one) > MAX_VALUES for one in pcrs.values()):
        return None
    one, other = new.measured_boot, old.measured_boot
    if one is None or other is None:
        return Merged(pcrs, None) if one is other else None
    try:
        more = tuple(each for each in other.boots if each not in one.boots)
        return Merged(pcrs, MeasuredBoot((*one.boots, *more)))
    except PolicyError:
        return None


@dataclass(frozen=True, slots=True)
class Held:
    """The policy that counts, who says so, and what stands beside it.

    ``cohorts`` names those that enforce it, none for the device's own assignment. Where
    they do not agree, ``contested``, there is no policy, and so no release.
    """

    policy: AttestationPolicy | None = None
    cohorts: tuple[str, ...] = ()
    contested: bool = False
    observed: tuple[Observed, ...] = ()
    update: Updating | None = None

    @property
    def merged(self) -> Merged | None:
        """Both versions in one, in an update window that allows it.

        For a verdict that we reach anew: ours is the stricter of the two, and mixes no
        versions.
        """
        if self.policy is None or self.update is None:
            return None
        return merged(self.policy, self.update.policy)

    def asking(self, *, learn: bool) -> Asking:
        """What the device is to show, for all of it at once."""
        held = () if self.policy is None else (self.policy,)
        return self.asking_for(held, learn=learn)

    def asking_for(
        self, policies: Iterable[AttestationPolicy], *, learn: bool = False
    ) -> Asking:
        """The same for policies that it is to be judged by now."""
        beside = () if self.update is None else (self.update.policy,)
        held, seen = tuple(policies), (one.policy for one in self.observed)
        return Asking.of((*held, *beside) if held else (), seen, learn=learn)


def held_to(stores: Stores, standing: StandingRecord, now: int) -> Held:
    """Find what a device is held to at ``now``.

    Cohorts that enforce go before the device's own assignment: they are how a policy
    reaches a fleet whose devices each had theirs.
    """
    found = claims(standing.device.labels, stores.cohorts.every())
    named = _named(found, standing.assignment)
    policy = None if named is None else _policy(stores, *named)
    seen = tuple(
        Observed(one.name, _policy(stores, one.policy, one.version))
        for one in found.observing
    )
    update = None if named is None else _updating(stores, standing.window, named, now)
    return Held(policy, found.names, found.contested, seen, update)


def _named(found: Claims, own: AssignmentRecord | None) -> tuple[str, int] | None:
    if found.contested:
        return None
    for one in found.enforcing:
        return one.policy, one.version
    if own is None or own.policy_name is None or own.policy_version is None:
        return None
    return own.policy_name, own.policy_version


def _updating(
    stores: Stores,
    window: UpdateWindowRecord | None,
    named: tuple[str, int],
    now: int,
) -> Updating | None:
    if window is None or not window.open_at(now):
        return None
    if (window.policy_name, window.new_version) != named:
        return None  # something else was assigned since
    old = _policy(stores, window.policy_name, window.old_version)
    return Updating(old, window.ends_at, window.image)


def _policy(stores: Stores, name: str, version: int) -> AttestationPolicy:
    return rows.attestation_policy(stores.policies.get(name, version))
