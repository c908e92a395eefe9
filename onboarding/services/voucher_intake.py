"""An import while its file arrives: vouchers are dealt with before its end is here.

A passport counts if it stands before its voucher, or behind it before ``TOGETHER``
others; one that comes later is refused, and said to be.
"""

from onboarding.services.context import Context
from onboarding.services.voucher_import import (
    TOGETHER,
    ItemResult,
    ItemStatus,
    begun,
    deal,
    passports_of,
)
from ownership_vouchers.reader import Cut, VoucherReader
from ownership_vouchers.types import Guid

LATE = "passport_late"


class Intake:
    """One import. Its calls compute and wait for the database: use a thread.

    Args:
        actor: Whom the audit log names.
    """

    def __init__(self, context: Context, actor: str) -> None:
        self._work = begun(context, actor)
        self._reader = VoucherReader()
        self._waiting: list[bytes] = []
        self._bare: set[Guid] = set()  # dealt with, and without a passport
        self._told = 0

    def feed(self, data: bytes) -> list[ItemResult]:
        """Take some more of the file; return what was dealt with.

        Raises:
            VoucherError: The rest of the file cannot be told apart.
            StoreError: The rest could not be stored.
        """
        results: list[ItemResult] = []
        for cut in self._reader.feed(data):
            results += self._taken(cut)
        return results

    def end(self) -> list[ItemResult]:
        """Deal with what is left. Raises as ``feed``, also where there was nothing."""
        results = self._taken(self._reader.end())
        return results + self._dealt()

    def _taken(self, cut: Cut) -> list[ItemResult]:
        found = passports_of(cut.text)
        late = [guid for guid in found if guid in self._bare]
        results = [self._late(guid) for guid in late]
        self._work.passports.update(found)
        if cut.block is None:
            return results
        if len(self._waiting) == TOGETHER:
            results += self._dealt()
        self._waiting.append(cut.block)
        return results

    def _dealt(self) -> list[ItemResult]:
        results = deal(self._work, self._waiting, self._told)
        self._waiting, self._told = [], self._told + len(results)
        for one in results:
            if one.guid is not None and one.passport == "none":
                self._bare.add(one.guid)
            elif one.guid is not None:
                self._work.passports.pop(one.guid, None)
        return results

    def _late(self, guid: Guid) -> ItemResult:
        number, self._told = self._told, self._told + 1
        why = "its voucher was dealt with before; put the passport next to it"
        return ItemResult(number, guid, ItemStatus.REFUSED, "refused", LATE, why)
