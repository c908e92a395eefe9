"""How a device is shown to people and programs."""

from collections.abc import Sequence
from typing import cast

from attestation.decision import Allow, Deny
from attestation.decision import Reason as Against
from attestation.device_identity import BoundIdentity
from attestation.release import DecisionRecord
from hw.inventory import Inventory
from onboarding.services.api.answers.devices import (
    AppraisalOut,
    AssignedOut,
    BindingOut,
    DeviceLineOut,
    DeviceOut,
    IdentityOut,
    ModuleResultOut,
    ReleaseOut,
    VerdictOut,
)
from onboarding.services.api.answers.kinds import Reason
from onboarding.services.api.assurance_view import shown_assurance, weaker
from onboarding.services.api.fields import JsonObject, guid_text
from onboarding.services.api.hold_view import (
    shown_held,
    shown_observation,
    shown_window,
)
from onboarding.services.context import Context
from onboarding.services.gate import Situation
from onboarding.services.serviceinfo import receipts
from onboarding.store.appraisals import AppraisalRecord
from onboarding.store.assignments import AssignmentRecord
from onboarding.store.bindings import BindingRecord
from onboarding.store.devices import DeviceRecord
from onboarding.store.errors import NotFound
from onboarding.store.releases import ReleaseRecord
from onboarding.store.state import Removal
from ownership_vouchers import cbor

UNREACHABLE_AFTER = 300  # seconds without a report on a removal


def summaries(
    context: Context, devices: Sequence[DeviceRecord], now: int
) -> list[DeviceLineOut]:
    """The lines of a list."""
    found = context.stores.bindings.classes([one.guid for one in devices])
    return [summary(one, now, found.get(one.guid)) for one in devices]


def summary(device: DeviceRecord, now: int, klass: str | None) -> DeviceLineOut:
    """A line of the list; ``klass`` is the binding's, None without one."""
    facts = device.facts
    return {
        "guid": guid_text(device.guid),
        "previous_guid": guid_text(device.previous_guid),
        "serial": device.serial,
        "device_info": device.device_info,
        "profile": device.profile,
        "labels": dict(device.labels),
        "frozen": device.frozen,
        "credential": device.credential,
        "weaker": weaker(klass),
        "state": device.state(now).value,
        "removal": _removal(device, now),
        "imported_at": device.imported_at,
        "registered_until": facts.registered_until,
        "owned_at": facts.owned_at,
        "bound_at": facts.bound_at,
        "enrolled_at": facts.enrolled_at,
        "appraised_at": facts.appraised_at,
        "lease_expires": facts.lease_expires,
        "released_at": facts.released_at,
        "withdrawn_at": facts.withdrawn_at,
        "retired_at": facts.retired_at,
    }


def shown_device(
    context: Context, situation: Situation, made: DecisionRecord
) -> DeviceOut:
    """Everything that is known of one device, and what the gate says now."""
    device, appraisal = situation.device, situation.appraisal
    releases = context.stores.releases.of_device(device.guid, 10)
    binding, assignment = situation.binding, situation.assignment
    window = context.stores.update_windows.find(device.guid)
    return {
        **summary(device, made.now, None if binding is None else binding.klass),
        "assurance": shown_assurance(device, binding, _passport(context, device.guid)),
        "binding": None if binding is None else _binding(binding),
        "channel": None if binding is None else binding.channel,
        "assignment": None if assignment is None else _assignment(assignment),
        "held": shown_held(situation.held),
        "observations": [
            shown_observation(one)
            for one in context.stores.observations.of_device(device.guid)
        ],
        "update_window": None if window is None else shown_window(window, made.now),
        "appraisal": None if appraisal is None else shown_appraisal(appraisal),
        "releases": [_release(one) for one in releases],
        "decision": _decision(made),
        "modules": _modules(device.module_results),
        "inventory": _inventory(device.devmod),
    }


def _passport(context: Context, guid: bytes) -> bytes | None:
    """What is kept with the device's voucher, if that is kept."""
    try:
        return context.stores.vouchers.get(guid).passport
    except NotFound:
        return None


def _inventory(devmod: bytes | None) -> JsonObject | None:
    """What the device said it is made of in its last TO2, if it told."""
    said = {} if devmod is None else cbor.mapping(cbor.decode(devmod))
    item = said.get("inventory")
    return None if item is None else Inventory.from_item(item).to_item()


def shown_appraisal(one: AppraisalRecord) -> AppraisalOut:
    """One verdict, with what was compared to reach it."""
    return {
        "id": one.id,
        "channel": one.channel,
        "verdict": one.outcome.value,
        "compared": list(one.compared),
        "failures": [
            {"type": f.kind, "message": f.message, "context": f.context}
            for f in one.failures
        ],
        "ek_class": one.ek_class,
        "policy": one.policy_name,
        "policy_version": one.policy_version,
        "policy_digest": one.policy_digest.hex(),
        "evidence_digest": one.evidence_digest.hex(),
        "at": one.at,
        "lease_expires": one.lease_expires,
        "clock": one.clock,
        "reset_count": one.reset_count,
        "restart_count": one.restart_count,
        # 64 bits: many readers of JSON would round the number.
        "firmware": None if one.firmware is None else f"{one.firmware:016x}",
    }


def _removal(device: DeviceRecord, now: int) -> str | None:
    """How sure it is that a withdrawn workload is gone."""
    withdrawn = device.facts.withdrawn_at
    if withdrawn is None:
        return None
    if device.removal is not None:
        return device.removal.value
    late = now - withdrawn > UNREACHABLE_AFTER
    return Removal.UNREACHABLE.value if late else "ordered"


def _binding(one: BindingRecord) -> BindingOut:
    passport = one.passport_digest
    return {
        "class": one.klass,
        "ek_class": one.ek_class,
        "ek_reasons": list(one.ek_reasons),
        "ek_notes": [
            {"code": code, "sentence": sentence} for code, sentence in one.ek_notes
        ],
        "ek_trust": None if one.ek_trust_digest is None else one.ek_trust_digest.hex(),
        "identity": None if one.identity is None else _identity(one.identity),
        "ek_digest": one.ek_digest.hex(),
        "ek_certificate": one.ek_certificate is not None,
        "ak_alg": one.ak_alg,
        "channel": one.channel,
        "passport_digest": None if passport is None else passport.hex(),
        "bound_at": one.bound_at,
    }


def _identity(encoded: bytes) -> IdentityOut:
    """The maker's word on the device: IAK and IDevID."""
    one = BoundIdentity.decode(encoded)
    return {
        "class": one.klass.value,
        "reason": one.reason or None,
        "subject": one.subject,
        "idevid": one.idevid is not None,
    }


def _assignment(one: AssignmentRecord) -> AssignedOut:
    version = one.manifest_version
    return {
        "manifest": one.manifest_name,
        "manifest_version": None if version is None else int(version),
        "policy": one.policy_name,
        "policy_version": one.policy_version,
        "assigned_at": one.assigned_at,
        "assigned_by": one.assigned_by,
    }


def _release(one: ReleaseRecord) -> ReleaseOut:
    return {
        "decision": one.decision_id,
        "manifest_digest": one.manifest_digest.hex(),
        "state": one.state.value,
        "granted_at": one.granted_at,
        "released_at": one.released_at,
        "withdrawn_at": one.withdrawn_at,
        "cause": one.cause,
        "removal": None if one.removal is None else one.removal.value,
    }


def _decision(made: DecisionRecord) -> VerdictOut:
    match made.decision:
        case Allow(reasons, until):
            return {"allowed": True, "until": until, "reasons": list(reasons)}
        case Deny(against):
            return {
                "allowed": False,
                "until": None,
                "reasons": list(map(_reason, against)),
            }


def _modules(results: bytes | None) -> list[ModuleResultOut]:
    """What the modules of the last good TO2 reported, in short."""
    found = [] if results is None else receipts.shown(results)["modules"]
    assert isinstance(found, list)  # noqa: S101 - as ``shown`` says
    names = ("name", "ok", "detail")
    return [cast(ModuleResultOut, {key: one[key] for key in names}) for one in found]


def _reason(one: Against) -> Reason:
    return {"code": one.code.value, "sentence": one.sentence, "remedy": one.remedy}
