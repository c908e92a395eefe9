"""A policy as lines for people, and what changes between two versions of one."""

import difflib
import json
from collections.abc import Iterator

from attestation.measured_boot import MeasuredBoot
from attestation.policy import AttestationPolicy, ReleasePolicy

_UNTOLD = ("name", "version")  # they differ, or do not, by what is being asked


def policy_lines(policy: AttestationPolicy | ReleasePolicy) -> tuple[str, ...]:
    """One line for each thing that it says, the same for the same content."""
    if isinstance(policy, ReleasePolicy):
        document = policy.to_json()
        told = {k: v for k, v in document.items() if k not in _UNTOLD}
        return tuple(f"{k}: {json.dumps(told[k], sort_keys=True)}" for k in told)
    values = [
        f"PCR {pcr}: {value}"
        for pcr in sorted(policy.pcrs)
        for value in policy.pcrs[pcr]
    ]
    head = (f"bank: {policy.bank}", f"lease: {policy.lease_seconds} s")
    if policy.runtime_policy is not None:
        values.append(f"runtime policy: {policy.runtime_policy}")
    boot = policy.measured_boot
    return (*head, *values, *(() if boot is None else _boot_lines(boot)))


def _boot_lines(measured: MeasuredBoot) -> Iterator[str]:
    """A lone boot's name is told once, so that a new name is one line's change."""
    for boot in measured.boots:
        yield f"boot: {boot.name}"
        prefix = "" if len(measured.boots) == 1 else f"{boot.name}, "
        for pcr in sorted(boot.pcrs):
            for one in boot.pcrs[pcr]:
                yield f"{prefix}PCR {pcr}: {one.says} [{one.type} {one.digest}]"


def policy_changes(
    before: AttestationPolicy | ReleasePolicy | None,
    after: AttestationPolicy | ReleasePolicy,
) -> tuple[str, ...]:
    """Lines that went (``- ``) and came (``+ ``), in the order of the policy.

    Empty if both say the same; all of ``after`` if there was none before.
    """
    old = () if before is None else policy_lines(before)
    lines = difflib.ndiff(old, policy_lines(after), linejunk=None)
    return tuple(one for one in lines if one.startswith(("- ", "+ ")))
