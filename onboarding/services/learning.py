"""Learning from a golden device: what it quotes and its log, kept to draft from.

A device need not be under a policy for it: then its evidence is checked to be its
TPM's, kept, and judged by nobody.
"""

from attestation.appraisal import AppraisalFailure
from attestation.errors import PolicyError
from attestation.ima_check import check_ima
from attestation.ima_learn import learn_runtime
from hw.ima import IMA_PCR, read_ascii
from hw.ima_replay import ImaState
from onboarding.services.context import Context
from onboarding.services.judging import Judge
from onboarding.store.errors import NotFound
from onboarding.store.learnings import LearningRecord
from ownership_vouchers.types import Guid


class Learner:
    """Says which devices are golden, and keeps what they show."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def wanted(self, guid: Guid) -> bool:
        """Whether the device is to show what it is with its next evidence."""
        return self._context.stores.learnings.wanted(guid.raw)

    def keep(self, judge: Judge, actor: str) -> bool:
        """Keep it if the bound key signed it; say whether it did.

        Raises:
            Problem: The IMA list is to be sent anew, or is too long.
        """
        facts, seen = judge.facts, judge.seen
        if isinstance(facts, AppraisalFailure):
            return False
        judge.keep_list()
        record = LearningRecord(
            seen.guid.raw,
            0,
            "",
            self._context.now(),
            facts.bank,
            facts.pcrs,
            seen.evidence.uefi_log,
        )
        self._context.stores.learnings.show(record, actor)
        return True

    def runtime(
        self, learnt: LearningRecord, before: str | None, *, update: bool
    ) -> bytes:
        """What the device ran until it showed itself, as a runtime policy.

        Args:
            learnt: What it has shown.
            before: SHA-256 of the runtime policy in force, whose choices are kept.
            update: Allow what that one allows as well.

        Raises:
            PolicyError: No list is kept that gives the PCR 10 which was shown, or
                nothing can be learnt from it.
        """
        stores = self._context.stores
        try:
            lines = stores.ima_lists.lines(stores.ima_lists.get(learnt.guid))
        except NotFound as error:
            raise PolicyError(
                "the device has shown no IMA list: its kernel keeps none, it is on the"
                " push channel, or it was asked before lists were learnt; ask it again"
            ) from error
        found = check_ima(ImaState.at_boot(learnt.bank), lines, learnt.pcrs)
        if found.failures:
            raise PolicyError(
                f"the IMA list that is kept is not the one of PCR {IMA_PCR} as it was"
                f" shown ({found.failures[0].message}); ask the device again"
            )
        old = (
            b""
            if before is None
            else stores.runtime_policies.get(bytes.fromhex(before))
        )
        return learn_runtime(read_ascii(found.covered), old, update=update)
