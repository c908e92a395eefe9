"""In an update window, a verifier that holds an agent to one policy: each in its turn.

The version that the device passed last comes first. When it fails, the verifier is told
the other one; a device that fails that as well, without a pass since, has failed. So it
passes by one version as a whole, and only by what the verifier says of new evidence.
The verifier keeps what has been tried, in the agent's metadata: it is the only state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.keylime.boot_reference import BootReference
from attestation.keylime.drift import same_policy
from attestation.keylime.held import HeldTo
from attestation.keylime.results import AgentStatus, PullStatus
from attestation.keylime.tpm_policy import PcrPolicy
from attestation.policy import AttestationPolicy
from onboarding.services.holding import Held, held_under, not_carried, told
from onboarding.store.appraisals import AppraisalRecord, Outcome

# Of a quote that is not one by the bound key, no policy is the cause.
_NO_POLICY = "qoute_validation."


@dataclass(frozen=True, slots=True)
class Turn:
    """What the verifier is told of a device now: PCRs, and what stands beside them."""

    pcrs: PcrPolicy
    told: HeldTo


# Under no policy, on push: the log is asked for, with the PCRs that firmware and boot
# loader extend, and nobody judges it.
SHOWS_ITSELF = Turn({}, HeldTo(boot=BootReference("sha256", None)))


def versions(held: Held, channel: Channel) -> tuple[AttestationPolicy, ...]:
    """Policies that take turns, the one in force first; none that is not carried.

    It is one outside of update windows, and where the verifier is told both at once.
    """
    policy, update = held.policy, held.update
    if policy is None or not_carried(policy, channel):
        return ()
    if update is None or not_carried(update.policy, channel):
        return (policy,)
    at_once = channel is Channel.PUSH and held.merged is not None
    return (policy,) if at_once else (policy, update.policy)


def turn(
    held: Held,
    channel: Channel,
    last: AppraisalRecord | None = None,
    instead: str = "",
) -> Turn | None:
    """Whose turn it is: ``instead``, what ``last`` passed under, or what is in force.

    Args:
        held: What the device is held to.
        channel: Push or pull.
        last: The appraisal that its state rests on.
        instead: Digest of the version that is to be tried after the other failed.

    Returns:
        None where the channel carries no policy that it is held to.
    """
    found = {one.digest(): one for one in versions(held, channel)}
    if not found:
        return None
    if instead in found:
        return _turn(held, channel, found[instead], second=len(found) > 1)
    passed = last is not None and last.outcome is Outcome.PASSED
    named = last.policy_digest.hex() if last is not None and passed else ""
    return _turn(held, channel, found.get(named, next(iter(found.values()))))


def _turn(
    held: Held, channel: Channel, policy: AttestationPolicy, *, second: bool = False
) -> Turn:
    both = held.merged if channel is Channel.PUSH else None
    if both is not None:
        return Turn(both.pcrs, told(policy, both.boots))
    return Turn(policy.pcrs, told(policy, second=second))


def tried(
    found: Sequence[AttestationPolicy], status: AgentStatus | PullStatus
) -> AttestationPolicy | None:
    """Of these versions the one that the verifier says it holds the agent to."""
    named = [one for one in found if one.digest() == status.held_to]
    return next(iter(named), None)


def tried_in_full(
    found: Sequence[AttestationPolicy], status: PullStatus
) -> AttestationPolicy | None:
    """The same, if the PCRs are its, too: where the verdict is the verifier's alone."""
    fitting = [
        one
        for one in found
        if held_under(one, status.held_to) and same_policy(one.pcrs, status.tpm_policy)
    ]
    return tried(fitting, status) or next(iter(fitting), None)


def other(
    found: Sequence[AttestationPolicy], policy: AttestationPolicy, event: str = ""
) -> AttestationPolicy | None:
    """The version beside this one, unless ``event`` is none that it would be spared."""
    if event.startswith(_NO_POLICY):
        return None
    return next((one for one in found if one is not policy), None)


def both_failed(status: AgentStatus | PullStatus) -> bool:
    """Whether one that fails now has failed under the other version just before."""
    return status.second and status.passed == 0
