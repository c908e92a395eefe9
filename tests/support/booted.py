"""Policies for machines that booted as recorded."""

from dataclasses import replace

from attestation.boot_learn import learn_boot
from attestation.keylime.boot_reference import BootReference
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from attestation.policy import AttestationPolicy
from tests.support.boot_logs import recorded_log, recorded_pcrs

BOOT = "secure-boot"
NAME = "measured"


def learnt_policy() -> AttestationPolicy:
    """What was learnt of the boot; PCR 1 by its value."""
    values = {pcr: one.hex() for pcr, one in recorded_pcrs(BOOT).items()}
    boot = learn_boot(BOOT, "sha256", recorded_log(BOOT), values)
    return AttestationPolicy(
        NAME, 1, {1: (values[1],)}, measured_boot=MeasuredBoot((boot,))
    )


def with_another_command_line() -> AttestationPolicy:
    """All by events, of which one is another."""
    measured = learnt_policy().measured_boot
    assert measured is not None
    pcrs = dict(measured.boots[0].pcrs)
    pcrs[8] = tuple(
        replace(one, digest="ab" * 32, says='kernel command line: "quiet"')
        if one.says.startswith("kernel command line")
        else one
        for one in pcrs[8]
    )
    boots = (ReferenceBoot("quiet", pcrs),)
    return AttestationPolicy(NAME, 2, {}, measured_boot=MeasuredBoot(boots))


def of_pcr_11() -> AttestationPolicy:
    """One into whose PCR a running system measures, too."""
    boot = ReferenceBoot(
        "any", {11: (ReferenceEvent("EV_IPL", "cd" * 32, "an image"),)}
    )
    return AttestationPolicy(NAME, 3, {}, measured_boot=MeasuredBoot((boot,)))


def reference(policy: AttestationPolicy) -> BootReference:
    """What a verifier is told of the boots of a policy."""
    assert policy.measured_boot is not None
    return BootReference(policy.bank, policy.measured_boot)
