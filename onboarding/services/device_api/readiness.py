"""Whether a device can attest: bound to a TPM, on that channel, and under a policy."""

from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.policy import AttestationPolicy
from onboarding.services import rows
from onboarding.services.errors import Problem
from onboarding.services.gate import Standing
from onboarding.services.holding import not_carried
from onboarding.services.stores import Stores
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import NotFound


@dataclass(frozen=True, slots=True)
class Attesting:
    """A device that can attest: bound, and under a policy."""

    standing: Standing
    binding: BindingRecord
    policy: AttestationPolicy


def ready(standing: Standing, channel: Channel) -> Attesting:
    """Return what attesting needs.

    Raises:
        Problem: 409; says what is missing.
    """
    binding = bound(standing, channel)
    if standing.policy is None:
        raise _no_policy(standing)
    require_carried(standing.policy, channel)
    return Attesting(standing, binding, standing.policy)


def enrolling(standing: Standing, channel: Channel) -> BindingRecord:
    """Return the binding of a device that may be enrolled on push or pull.

    Without a policy it may on push, if it was asked to show itself.

    Raises:
        Problem: 409; says what is missing.
    """
    shows = channel is Channel.PUSH and standing.learning
    if standing.policy is None and shows:
        return bound(standing, channel)
    return ready(standing, channel).binding


def require_carried(policy: AttestationPolicy, channel: Channel) -> None:
    """Refuse a policy that a channel cannot show all of.

    Raises:
        Problem: 409; says what of it.
    """
    lacking = not_carried(policy, channel)
    if lacking:
        raise Problem(
            409,
            "not-carried",
            f"Policy {policy.name} covers {lacking} on the {channel.value} channel: a"
            " device there would never be fresh.",
            remedy="Assign a policy without these events, or use the evidence channel.",
        )


def require_shown(stores: Stores, guid: bytes, name: str, version: int) -> None:
    """Refuse to assign a policy that the device's channel cannot show all of.

    Raises:
        Problem: 409; says what of it.
    """
    try:
        channel = Channel(stores.bindings.get(guid).channel)
        policy = rows.attestation_policy(stores.policies.get(name, version))
    except NotFound:
        return  # it has no channel yet; or there is no policy, which the store says
    require_carried(policy, channel)


def require_learnable(stores: Stores, guid: bytes) -> None:
    """Refuse to ask a device of whose evidence the owner sees nothing.

    Raises:
        Problem: 409.
    """
    try:
        channel = stores.bindings.get(guid).channel
    except NotFound:
        return  # it shows itself once it is bound
    if channel == Channel.PULL.value:
        raise Problem(
            409,
            "not-learnable",
            "Keylime's verifier keeps nothing of what an agent on the pull channel"
            " shows it, so nothing can be learnt from this device.",
            remedy="Learn from a device like it on the evidence or push channel.",
        )


def _no_policy(standing: Standing) -> Problem:
    if standing.held.contested:
        names = ", ".join(standing.held.cohorts)
        return Problem(
            409,
            "contested-policy",
            f"Cohorts {names} hold this device to different policies.",
            remedy="Change its labels, or have the cohorts agree.",
        )
    return Problem(
        409,
        "no-policy",
        "No attestation policy is assigned to this device.",
        remedy="PUT /api/v1/devices/{guid}/policy",
    )


def bound(standing: Standing, channel: Channel) -> BindingRecord:
    """Return the device's binding, which must be for this channel.

    Raises:
        Problem: 409; says what is missing.
    """
    if standing.binding is None:
        raise Problem(
            409,
            "not-bound",
            "This device has not shown that its key is in a TPM.",
            remedy="Onboard it with an agent that binds its TPM.",
        )
    if standing.binding.channel != channel.value:
        raise Problem(
            409,
            "other-channel",
            f"This device attests over the {standing.binding.channel} channel.",
            remedy="Use that channel, or another board profile.",
        )
    return standing.binding
