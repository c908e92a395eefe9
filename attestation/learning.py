"""Draft a policy from what one machine has shown, for people to look at and accept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from attestation.boot_learn import USUAL, learn_boot
from attestation.errors import PolicyError
from attestation.measured_boot import MeasuredBoot
from attestation.policy import AttestationPolicy

# What a machine that is learnt from quotes, beside what its own policy needs.
# PCR 10 is the list of what ran: never pinned, but what the list is held to.
LEARNT = (*range(11), 14)


@dataclass(frozen=True, slots=True)
class Shown:
    """Genuine PCR values in hexadecimal, and the boot's event log if there is one."""

    bank: str
    pcrs: Mapping[int, str]
    boot_log: bytes = field(repr=False)


def draft(
    name: str,
    version: int,
    shown: Shown,
    pcrs: Sequence[int] = USUAL,
    before: AttestationPolicy | None = None,
    runtime: str | None = None,
) -> AttestationPolicy:
    """The policy that this machine passes as it is now.

    With a log the PCRs are covered by their events, without one by their values.
    ``before`` keeps its lease and, unless ``runtime`` is the SHA-256 of another, its
    runtime policy; nothing else is taken over.

    Raises:
        PolicyError: It has shown nothing of any of ``pcrs``, or the log is not true.
    """
    lease = 900 if before is None else before.lease_seconds
    if runtime is None and before is not None:
        runtime = before.runtime_policy
    if not shown.boot_log:
        values = {pcr: (shown.pcrs[pcr],) for pcr in pcrs if _used(shown, pcr)}
        return AttestationPolicy(
            name, version, values, shown.bank, lease, None, runtime
        )
    boot = learn_boot(f"{name}-{version}", shown.bank, shown.boot_log, shown.pcrs, pcrs)
    measured = MeasuredBoot((boot,))
    return AttestationPolicy(name, version, {}, shown.bank, lease, measured, runtime)


def _used(shown: Shown, pcr: int) -> bool:
    """Whether anything was measured into it."""
    return pcr in shown.pcrs and set(shown.pcrs[pcr]) not in ({"0"}, {"f"})


def beside(new: AttestationPolicy, old: AttestationPolicy) -> AttestationPolicy:
    """Let a machine be as the one says or as the other, for the time of an update.

    Raises:
        PolicyError: They do not cover the same PCRs in the same way.
    """
    if new.quoted != old.quoted or new.pcrs.keys() != old.pcrs.keys():
        raise PolicyError(
            "the version before covers other PCRs, or in another way, so both cannot"
            " stand side by side"
        )
    values = {
        pcr: tuple(dict.fromkeys((*old.pcrs[pcr], *new.pcrs[pcr]))) for pcr in new.pcrs
    }
    return replace(new, pcrs=values, measured_boot=_both(old, new))


def _both(old: AttestationPolicy, new: AttestationPolicy) -> MeasuredBoot | None:
    if old.measured_boot is None or new.measured_boot is None:
        return None  # neither has one: they cover the same PCRs by value
    return MeasuredBoot((*old.measured_boot.boots, *new.measured_boot.boots))
