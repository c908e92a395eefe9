"""What a device signed on its workload, held against what it was told to remove."""

from collections.abc import Iterator
from dataclasses import dataclass

from attestation.errors import AttestationError, DocumentRefused
from attestation.evidence_pack import Withdrawn
from attestation.withdrawal import (
    RemovalOrder,
    RemovalReport,
    open_removal_report,
    open_report,
    order_nonce,
)
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid

ABSENT = ""
"""What a check says that has nothing to look at."""


class Broken(AttestationError):
    """A check of an evidence pack does not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class PackReports:
    """Reports and withdrawals of a device, under all its GUIDs."""

    _reports: tuple[bytes, ...]
    _withdrawals: tuple[Withdrawn, ...]
    _device_key: VerifyKey
    _guids: tuple[Guid, ...]

    def check_reports(self) -> str:
        """Each report is the device's, on a manifest or on a removal ordered here."""
        orders = [order for one in self._withdrawals for order in self._orders(one)]
        for number, document in enumerate(self._reports):
            if self._is_report(document):
                continue
            if not any(self._answer(document, order) for order in orders):
                raise Broken(f"report {number} is not this device's, or on no order")
        count = len(self._reports)
        return f"{count} signed by the device" if count else ABSENT

    def _is_report(self, document: bytes) -> bool:
        """Whether it is a good report on a manifest; a removal's is looked at apart."""
        for guid in self._guids:
            try:
                open_report(document, self._device_key, guid=guid)
            except DocumentRefused:
                continue
            return True
        return False

    def check_removals(self) -> str:
        """Each removal that is told as proven has a report that proves it."""
        proven = [one for one in self._withdrawals if one.removal == "proven"]
        for one in proven:
            if not any(self._answers(order) for order in self._orders(one)):
                raise Broken(f"no report proves the removal ordered {one.withdrawn_at}")
        count = len(self._withdrawals)
        return f"{len(proven)} of {count} proven by the device" if count else ABSENT

    def _orders(self, one: Withdrawn) -> Iterator[RemovalOrder]:
        for guid in self._guids:
            nonce = order_nonce(guid, one.withdrawn_at, one.decision_id)
            digest = one.manifest_digest.hex()
            yield RemovalOrder(guid, digest, "", one.withdrawn_at, nonce)

    def _answers(self, order: RemovalOrder) -> bool:
        """Whether the device said that nothing of what was ordered away remains."""
        found = (self._answer(one, order) for one in self._reports)
        return any(one is not None and not one.remaining for one in found)

    def _answer(self, document: bytes, order: RemovalOrder) -> RemovalReport | None:
        try:
            return open_removal_report(document, self._device_key, order)
        except DocumentRefused:
            return None
