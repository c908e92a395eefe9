"""Learning from a golden device: what it quotes and its log, kept to draft from.

A device need not be under a policy for it: then its evidence is checked to be its
TPM's, kept, and judged by nobody.
"""

from attestation.keylime.evidence import Evidence
from hw.errors import HwError
from hw.public_area import PublicArea
from hw.quote import QuoteFacts, check_quote
from onboarding.services.context import Context
from onboarding.store.learnings import LearningRecord
from ownership_vouchers.types import Guid


class Learner:
    """Says which devices are golden, and keeps what they show."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def wanted(self, guid: Guid) -> bool:
        """Whether the device is to show what it is with its next evidence."""
        return self._context.stores.learnings.wanted(guid.raw)

    def keep(self, guid: Guid, evidence: Evidence, actor: str) -> bool:
        """Keep it if the bound key signed it; say whether it did."""
        try:
            facts = _facts(evidence)
        except HwError:
            return False
        record = LearningRecord(
            guid.raw,
            0,
            "",
            self._context.now(),
            facts.bank,
            facts.pcrs,
            evidence.uefi_log,
        )
        self._context.stores.learnings.show(record, actor)
        return True


def _facts(said: Evidence) -> QuoteFacts:
    ak = PublicArea.from_bytes(said.ak_public)
    return check_quote(ak, said.message, said.signature, said.pcr_blob, said.nonce)
