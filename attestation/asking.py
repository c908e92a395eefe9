"""What a device is asked for: one quote that serves every policy it is held to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from attestation.learning import LEARNT
from attestation.policy import AttestationPolicy

BANK = "sha256"  # of a device that is under no policy
IMA, UEFI = "ima", "uefi"


@dataclass(frozen=True, slots=True)
class Asking:
    """Bank and PCRs to quote; logs that must come along, and logs that would help.

    A log that would help is for what is only observed or learnt: a device without it
    attests all the same.
    """

    bank: str
    pcrs: tuple[int, ...]
    logs: frozenset[str]
    optional_logs: frozenset[str]

    @classmethod
    def of(
        cls,
        required: Iterable[AttestationPolicy],
        observed: Iterable[AttestationPolicy] = (),
        *,
        learn: bool = False,
    ) -> Self:
        """Join the policies; of those observed only what one quote can hold.

        A quote is over one bank: that of the first policy, of those required first.
        """
        held, seen = tuple(required), tuple(observed)
        bank = next((one.bank for one in (*held, *seen)), BANK)
        joined = [one for one in (*held, *seen) if one.bank == bank]
        pcrs = {pcr for one in joined for pcr in one.quoted}
        logs = frozenset(name for one in held for name in logs_of(one))
        wished = {name for one in joined for name in logs_of(one)}
        if learn:
            pcrs |= {*LEARNT}
            wished |= {IMA, UEFI}
        return cls(bank, tuple(sorted(pcrs)), logs, frozenset(wished) - logs)

    def to_item(self) -> dict[str, object]:
        """As the device reads it."""
        return {
            "bank": self.bank,
            "pcrs": list(self.pcrs),
            IMA: IMA in self.logs,
            UEFI: UEFI in self.logs,
            "optional_logs": sorted(self.optional_logs),
        }


def logs_of(policy: AttestationPolicy) -> tuple[str, ...]:
    """The logs that a policy is judged by, besides the quote."""
    ima = () if policy.runtime_policy is None else (IMA,)
    return ima if policy.measured_boot is None else (*ima, UEFI)
