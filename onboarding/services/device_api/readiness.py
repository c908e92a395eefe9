"""Whether a device can attest: bound to a TPM, on that channel, and under a policy."""

from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.policy import AttestationPolicy
from onboarding.services.errors import Problem
from onboarding.services.gate import Standing
from onboarding.services.holding import carried
from onboarding.store.bindings import BindingRecord


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
    if not carried(standing.policy, channel):
        raise Problem(
            409,
            "no-policy",
            f"Policy {standing.policy.name} looks into the event log of the boot,"
            f" which the {channel.value} channel does not carry.",
            remedy="Assign a policy of PCR values and, if it is to say what may run, a"
            " runtime policy; or use the evidence channel.",
        )
    return Attesting(standing, binding, standing.policy)


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
