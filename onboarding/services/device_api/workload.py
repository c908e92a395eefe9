"""Workloads: released, refused with reasons, or to be removed; and the reports."""

from attestation.decision import Deny
from attestation.documents import ContentType, unverified_payload
from attestation.errors import DocumentRefused
from attestation.release import DecisionRecord
from attestation.withdrawal import (
    RemovalOrder,
    WorkloadStatus,
    open_removal_report,
    open_report,
    proves_removal,
)
from onboarding.services.context import Context
from onboarding.services.device_api.requests import DeviceCall, take_bytes
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate, Situation
from onboarding.services.withdrawing import (
    Withdrawals,
    pending_order,
    signed_order,
)
from onboarding.store.errors import Conflict
from onboarding.store.events import Event
from onboarding.store.releases import ReleaseRecord, ReleaseState
from onboarding.store.reports import ReportRecord
from onboarding.store.state import Removal
from ownership_vouchers import cbor

MAX_REPORT = 64 * 1024
TASK = "task:gate"


class WorkloadDesk:
    """Where a device comes for its workload, and reports on it."""

    def __init__(self, context: Context, gate: Gate) -> None:
        self._context = context
        self._gate = gate
        self._withdrawals = Withdrawals(context, gate)

    def ask(self, call: DeviceCall) -> dict[str, object]:
        """Release, order a removal, or say why not."""
        guid = call.guid.raw
        self._withdrawals.review(guid, TASK)
        situation = self._gate.situation(guid)
        order = pending_order(self._context, situation)
        if order is not None:
            return {"removal_order": signed_order(order, call.signer)}
        made = self._gate.decide(situation)
        if isinstance(made.decision, Deny):
            raise self._denied(made, made.decision, call)
        digest = _installed(call)
        if digest is not None and self._stands(situation, digest):
            return {"unchanged": True, "manifest_digest": digest}
        released = self._gate.release(situation, made, call.signer, call.actor)
        return {"ticket": released.ticket, "bundle": released.bundle}

    def report(self, call: DeviceCall) -> dict[str, object]:
        """Take a report, check it and keep it as it was signed."""
        document = take_bytes(call.body, "report", MAX_REPORT)
        if _is_removal(document):
            self._removal(call, document)
        else:
            self._applied(call, document)
        device = self._context.stores.devices.get(call.guid.raw)
        removal = device.removal
        return {
            "state": device.state(self._context.now()).value,
            "removal": None if removal is None else removal.value,
        }

    def _denied(self, made: DecisionRecord, denial: Deny, call: DeviceCall) -> Problem:
        decision_id = self._gate.record(made, TASK)
        seen, limit = made.facts.appraisal, made.policy.max_age_seconds
        if made.facts.policy is not None:
            limit = min(limit, made.facts.policy.lease_seconds)
        reasons = [
            {"code": one.code.value, "sentence": one.sentence, "remedy": one.remedy}
            for one in denial.reasons
        ]
        return Problem(
            403,
            "release-denied",
            "; ".join(one.sentence for one in denial.reasons),
            remedy=denial.reasons[0].remedy,
            extra={
                "reasons": reasons,
                "age_seconds": None if seen is None else made.now - seen.at,
                "limit_seconds": limit,
                "decision": decision_id,
                "guid": str(call.guid),
            },
        )

    def _stands(self, situation: Situation, digest: bytes) -> bool:
        """Whether the device runs what is assigned, and we know that it does."""
        wanted = situation.manifest
        if wanted is None or wanted.digest != digest:
            return False
        return any(
            one.state is ReleaseState.RELEASED and one.manifest_digest == digest
            for one in self._context.stores.releases.live(situation.device.guid)
        )

    def _applied(self, call: DeviceCall, document: bytes) -> None:
        report = open_report(document, call.owned.device_key, guid=call.guid)
        now, raw = self._context.now(), call.guid.raw
        kept = ReportRecord(raw, report.status.value, document, now)
        if not self._context.stores.reports.add(kept):
            return
        if report.status is WorkloadStatus.FAILED:
            detail = {"manifest": report.manifest_digest, "detail": report.detail}
            self._context.stores.events.append(
                Event("workload.failed", call.actor, now, raw, kept.digest, detail)
            )
            return
        release = self._granted(raw, bytes.fromhex(report.manifest_digest))
        self._context.stores.releases.applied(
            release.decision_id, kept.digest, call.actor, now
        )

    def _granted(self, guid: bytes, digest: bytes) -> ReleaseRecord:
        """The newest live release of that manifest."""
        live = self._context.stores.releases.live(guid)
        found = [one for one in live if one.manifest_digest == digest]
        if not found:
            raise Conflict("nothing of that digest is released to this device now")
        return max(found, key=lambda one: one.granted_at)

    def _removal(self, call: DeviceCall, document: bytes) -> None:
        situation = self._gate.situation(call.guid.raw)
        order = pending_order(self._context, situation)
        if order is None:
            raise Conflict("no removal was ordered, or its proof has come already")
        report = open_removal_report(document, call.owned.device_key, order)
        paths = self._paths(order, call.guid.raw)
        proven = proves_removal(report, paths) or (not paths and not report.remaining)
        now, raw = self._context.now(), call.guid.raw
        kept = ReportRecord(raw, "removed", document, now)
        self._context.stores.reports.add(kept)
        removal = Removal.PROVEN if proven else Removal.UNPROVEN
        self._context.stores.releases.removed(
            raw, removal, kept.digest, call.actor, now
        )

    def _paths(self, order: RemovalOrder, guid: bytes) -> tuple[str, ...]:
        """What must be gone; nothing, if the device never said that it applied it."""
        digest = bytes.fromhex(order.manifest_digest)
        applied = any(
            one.released_at is not None and one.manifest_digest == digest
            for one in self._context.stores.releases.of_device(guid)
        )
        return self._gate.manifest_paths(digest) if applied else ()


def _installed(call: DeviceCall) -> bytes | None:
    if "installed" not in call.body:
        return None
    return cbor.bstr(call.body["installed"], 32)


def _is_removal(document: bytes) -> bool:
    try:
        unverified_payload(ContentType.REMOVAL_REPORT, document, MAX_REPORT)
    except DocumentRefused:
        return False
    return True
