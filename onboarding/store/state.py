"""A device's state, computed from facts: pure, total, and no one's memory.

Taking ownership starts the facts of binding, attestation and release afresh,
so each fact here belongs to the present owner's present onboarding.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.documents import CLOCK_SKEW


@unique
class DeviceState(StrEnum):
    """How far a device has come. Source: ARCHITECTURE, section 1."""

    IMPORTED = "imported"
    REGISTERED = "registered"
    OWNED = "owned"
    BOUND = "bound"
    ATTESTING = "attesting"
    ATTESTED = "attested"
    RELEASED = "released"
    STALE = "stale"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    RETIRED = "retired"


@unique
class Removal(StrEnum):
    """How well it is known that a withdrawn workload is gone."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known of a device; times in seconds since 1970, None = not yet."""

    registered_until: int | None = None
    owned_at: int | None = None
    bound_at: int | None = None
    enrolled_at: int | None = None
    appraised_at: int | None = None
    appraisal_passed: bool = False
    lease_expires: int | None = None
    released_at: int | None = None
    withdrawn_at: int | None = None
    retired_at: int | None = None


def state_of(facts: DeviceFacts, now: int) -> DeviceState:
    """The state that the facts amount to at ``now``; never raises.

    A withdrawal outlasts later good appraisals until a new release. An appraisal
    without a lease counts as one whose lease ran out, and so does one that is ahead of
    our clock: a clock that went back must not make a lease longer.
    """
    if facts.retired_at is not None:
        return DeviceState.RETIRED
    if facts.owned_at is None:
        until = facts.registered_until
        live = until is not None and until > now
        return DeviceState.REGISTERED if live else DeviceState.IMPORTED
    if facts.withdrawn_at is not None:
        return DeviceState.WITHDRAWN
    return _of_owned(facts, now)


def _of_owned(facts: DeviceFacts, now: int) -> DeviceState:
    if facts.bound_at is None:
        return DeviceState.OWNED
    if facts.enrolled_at is None:
        return DeviceState.BOUND
    if facts.appraised_at is None:
        return DeviceState.ATTESTING
    if not facts.appraisal_passed:
        return DeviceState.FAILED
    ahead = facts.appraised_at > now + CLOCK_SKEW
    if facts.lease_expires is None or now > facts.lease_expires or ahead:
        return DeviceState.STALE
    if facts.released_at is None:
        return DeviceState.ATTESTED
    return DeviceState.RELEASED
