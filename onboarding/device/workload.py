"""Fetching what the owner released, checking it, applying it; and taking it back.

Nothing is applied that the owner's key, remembered from TO2, has not signed; nothing is
removed on anybody else's word. What was done is reported over the device's signature.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from pathlib import Path

from attestation.manifest import Bundle, open_bundle
from attestation.ticket import Ticket, open_ticket
from attestation.withdrawal import (
    DeviceReport,
    RemovalOrder,
    RemovalReport,
    WorkloadStatus,
    open_order,
    sign_removal_report,
    sign_report,
)
from hw.keys import DeviceKey
from onboarding.device.applier import Applier, WorkloadFile
from onboarding.device.errors import ApplyError
from onboarding.device.owner_api import OwnerApi, bytes_field
from onboarding.device.standing import Standing
from ownership_vouchers.algorithms import VerifyKey


@unique
class Change(StrEnum):
    """What one look at the owner's word led to."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, with which workload and files."""

    change: Change
    name: str
    version: int
    digest: str
    paths: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadGate:
    """One device's side of release and withdrawal."""

    api: OwnerApi
    device_key: DeviceKey
    owner_key: VerifyKey
    applier: Applier
    directory: Path
    clock: Callable[[], float] = time.time

    def sync(self) -> Outcome:
        """Ask the owner once, and do what it says.

        Raises:
            Problem: No release now; ``reasons`` in it say why not.
            DocumentRefused: What came is not the owner's, or not for this device.
            ApplyError: The files could not be put in place or removed; reported too.
        """
        standing = Standing.load(self.directory)
        whole = standing is not None and self._whole(standing)
        asked: dict[str, object] = {}
        if standing is not None and whole:
            asked["installed"] = bytes.fromhex(standing.digest)
        answer = self.api.ask("workload", asked)
        if "removal_order" in answer:
            return self._remove(bytes_field(answer, "removal_order"))
        if standing is not None and whole and answer.get("unchanged") is True:
            return _outcome(Change.UNCHANGED, standing)
        return self._apply(bytes_field(answer, "ticket"), bytes_field(answer, "bundle"))

    def _whole(self, standing: Standing) -> bool:
        """Whether it stands as it was applied, and the owner knows."""
        if not standing.name or standing.guid != str(self.api.guid):
            return False
        found = self.applier.present(standing.name)
        return standing.reported and bool(found) and found == standing.files

    def _apply(self, ticket_data: bytes, bundle_data: bytes) -> Outcome:
        bundle = open_bundle(bundle_data, self.owner_key)
        before = Standing.load(self.directory)
        ticket = open_ticket(
            ticket_data,
            self.owner_key,
            guid=self.api.guid,
            manifest_digest=bundle.digest,
            now=self._now(),
            not_before=0 if before is None else before.not_before(self.api.guid),
        )
        standing = self._place(bundle, ticket, before)
        self._report(standing, WorkloadStatus.APPLIED, "")
        replace(standing, reported=True).save(self.directory)
        return _outcome(Change.APPLIED, standing)

    def _place(
        self, bundle: Bundle, ticket: Ticket, before: Standing | None
    ) -> Standing:
        """Apply over whatever is there: files that were touched are mended."""
        manifest = bundle.manifest
        standing = Standing(
            manifest.name,
            manifest.version,
            bundle.digest,
            manifest.paths,
            ticket.issued_at,
            str(self.api.guid),
        )
        files = [WorkloadFile(path, content) for path, content in manifest.files]
        try:
            applied = self.applier.apply(manifest.name, bundle.digest, files)
            if before is not None and before.name not in ("", manifest.name):
                self.applier.remove(before.name)
        except ApplyError as error:
            self._report(standing, WorkloadStatus.FAILED, str(error))
            raise
        standing = replace(standing, files=applied)
        standing.save(self.directory)
        return standing

    def _remove(self, data: bytes) -> Outcome:
        """Obey an order that is not superseded: it means that nothing is to run.

        So whatever stands goes, also when the order names another workload: the owner
        may have missed the report on the one that took its place.
        """
        standing = Standing.load(self.directory)
        guid = self.api.guid
        ours = standing is not None and standing.guid == str(guid)
        applied_at = standing.issued_at if standing is not None and ours else 0
        order = open_order(data, self.owner_key, guid=guid, applied_at=applied_at)
        if standing is None:
            standing = Standing("", 0, order.manifest_digest, (), 0, str(guid))
        known = standing.ordered_at if ours else 0
        standing = replace(
            standing, guid=str(guid), ordered_at=max(order.issued_at, known)
        )
        standing.save(self.directory)
        self._take_away(standing, order)
        return _outcome(Change.REMOVED, standing, order.reason)

    def _take_away(self, standing: Standing, order: RemovalOrder) -> None:
        """Remove, look again, and report what is gone and what is left."""
        failure: ApplyError | None = None
        left: set[str] = set()
        if standing.name:
            try:
                self.applier.remove(standing.name)
            except ApplyError as error:
                failure = error
            left = {found.path for found in self.applier.present(standing.name)}
            if not left:
                replace(standing, files=()).save(self.directory)
        report = RemovalReport(
            self.api.guid,
            order.manifest_digest,
            order.nonce,
            tuple(path for path in standing.paths if path not in left),
            tuple(sorted(left)),
            self._now(),
        )
        signed = sign_removal_report(report, self.device_key)
        self.api.ask("report", {"report": signed})
        if failure is not None:
            raise failure

    def _report(self, standing: Standing, status: WorkloadStatus, detail: str) -> None:
        report = DeviceReport(
            self.api.guid,
            standing.digest,
            status,
            standing.paths,
            detail[:2000],
            self._now(),
        )
        self.api.ask("report", {"report": sign_report(report, self.device_key)})

    def _now(self) -> int:
        return int(self.clock())


def _outcome(change: Change, standing: Standing, reason: str = "") -> Outcome:
    return Outcome(
        change,
        standing.name,
        standing.version,
        standing.digest,
        standing.paths,
        reason,
    )
