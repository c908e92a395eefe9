"""How it is shown what a device is held to, what was observed, and its updates."""

from onboarding.services.api.answers.devices import (
    HeldOut,
    ObservationOut,
    UpdateWindowOut,
)
from onboarding.services.api.conditions import record_tag
from onboarding.services.api.fields import guid_text
from onboarding.services.holding import Held
from onboarding.store.observations import ObservationRecord
from onboarding.store.update_windows import UpdateWindowRecord


def shown_held(held: Held) -> HeldOut:
    """The policy that counts, and the cohorts that say so; none: its assignment."""
    policy, update = held.policy, held.update
    return {
        "policy": None if policy is None else policy.name,
        "version": None if policy is None else policy.version,
        "cohorts": list(held.cohorts),
        "contested": held.contested,
        "observed": [one.cohort for one in held.observed],
        "also_version": None if update is None else update.policy.version,
        "also_until": None if update is None else update.until,
    }


def shown_window(one: UpdateWindowRecord, now: int) -> UpdateWindowOut:
    """An update window, and whether the version before counts now."""
    return {
        "guid": guid_text(one.guid),
        "policy": one.policy_name,
        "old_version": one.old_version,
        "new_version": one.new_version,
        "image": one.image.hex(),
        "open": one.open_at(now),
        "opened_at": one.opened_at,
        "opened_by": one.opened_by,
        "ends_at": one.ends_at,
        "closed_at": one.closed_at,
        "closed_by": one.closed_by,
        "etag": record_tag(one),
    }


def shown_observation(one: ObservationRecord) -> ObservationOut:
    """What a policy would have said of a device."""
    return {
        "cohort": one.cohort,
        "policy": one.policy_name,
        "policy_version": one.policy_version,
        "would_have": one.outcome.value,
        "compared": list(one.compared),
        "failures": [{"type": f.kind, "message": f.message} for f in one.failures],
        "at": one.at,
    }
