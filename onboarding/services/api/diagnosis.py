"""Why is my device not onboarding? One question, one answer."""

from typing import Annotated, cast

from fastapi import Query, Request

from onboarding.services.api.answers.diagnosis import (
    DiagnosisOut,
    RunSeenOut,
    To0SeenOut,
    VoucherSeenOut,
)
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import (
    GuidQuery,
    Text,
    guid_text,
    parse_guid,
)
from onboarding.services.api.made import shown_made
from onboarding.services.api.routing import api_router
from onboarding.services.api.to0 import shown_attempt
from onboarding.services.api.traces import shown_sighting, shown_trace
from onboarding.services.asking_rendezvous import NoAnswer, RendezvousService
from onboarding.services.context import Context
from onboarding.services.diagnosis import facts as gathering
from onboarding.services.diagnosis.advice import advise
from onboarding.services.diagnosis.facts import Facts, VoucherFacts
from onboarding.services.diagnosis.joining import joined, unheard
from onboarding.services.errors import Problem
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from ownership_vouchers.types import Guid

router = api_router("diagnosis")

SerialQuery = Annotated[Text | None, Query()]


@router.get("/diagnosis", **needs(Role.MANUFACTURER, Role.OPERATOR, Role.SECURITY))
def diagnose(
    request: Request, context: Ctx, guid: GuidQuery = None, serial: SerialQuery = None
) -> DiagnosisOut:
    """Where a device is on its way to its owner, and what to do next.

    An owner that knows a rendezvous service of ours asks it, too; if it does not
    answer, that is said and no more.
    """
    return told(context, request.app.state.asked, guid, serial)


def told(
    context: Context,
    asked: RendezvousService | None,
    guid: str | None,
    serial: str | None = None,
) -> DiagnosisOut:
    """Answer for a device that is named by one of both, with what ``asked`` knows."""
    facts = _facts(context, guid, serial)
    own = _shown(facts)
    if asked is None or not facts.guids or _knows(facts, Service.RENDEZVOUS):
        return own
    try:
        return cast(DiagnosisOut, joined(own, asked.url, asked.told(_likeliest(facts))))
    except NoAnswer as error:
        return cast(DiagnosisOut, unheard(own, asked.url, str(error)))


def _likeliest(facts: Facts) -> list[bytes]:
    """A device's GUIDs: the one it has, the one it had before, then the others."""
    present, *others = facts.guids
    before = None if facts.device is None else facts.device.previous_guid
    others.sort(key=lambda one: one != before)
    return [present, *others]


def _facts(context: Context, guid: str | None, serial: str | None) -> Facts:
    if (guid is None) == (serial is None):
        raise Problem(
            422,
            "guid-or-serial",
            "Name the device by a GUID it has or had, or by its serial number.",
        )
    if guid is not None:
        return gathering.of_guid(context, parse_guid(guid).raw)
    named = str(serial)
    found = context.stores.devices.of_serial(named)
    if len(found) > 1:
        raise Problem(
            409,
            "several-devices",
            f"{len(found)} devices have this serial number:"
            f" {', '.join(str(Guid(one)) for one in found[:8])}.",
            remedy="Ask by GUID; the latest comes first.",
            extra={"guids": [guid_text(one) for one in found]},
        )
    if found:
        return gathering.of_guid(context, found[0])
    return gathering.of_serial(context, named)


def _shown(facts: Facts) -> DiagnosisOut:
    """What is known, step by step, and the one thing to do."""
    advice, device = advise(facts), facts.device
    return {
        "why": advice.why.value,
        "next": advice.sentence,
        "guid": guid_text(facts.guids[0]) if facts.guids else None,
        "guids": [guid_text(one) for one in facts.guids],
        "serial": facts.serial or None,
        "state": None if device is None else device.state(facts.now).value,
        "role": facts.role.value,
        "at": facts.now,
        "voucher": None if facts.voucher is None else _voucher(facts.voucher),
        "to0": _to0(facts),
        "to1": _run_of(facts, "TO1") if _knows(facts, Service.RENDEZVOUS) else None,
        "to2": _run_of(facts, "TO2") if _knows(facts, Service.OWNER) else None,
        "binding": None if facts.binding is None else facts.binding.klass,
        "failed_modules": [
            {"name": name, "detail": detail} for name, detail in facts.failed_modules
        ],
        "made": None if facts.made is None else shown_made(facts.made),
        "same_serial": [guid_text(one) for one in facts.same_serial],
        "asked_in_vain": shown_sighting(facts.sighting) if facts.sighting else None,
        "runs": [shown_trace(one) for one in facts.runs],
        "rendezvous": None,
    }


def _knows(facts: Facts, role: Service) -> bool:
    return facts.role.includes(role)


def _voucher(voucher: VoucherFacts) -> VoucherSeenOut:
    return {
        "owner": voucher.owner,
        "key_here": voucher.key_here,
        "entries": voucher.entries,
        "servers": list(voucher.servers),
    }


def _to0(facts: Facts) -> To0SeenOut:
    servers = [shown_attempt(one, facts.now) for one in facts.to0.servers]
    return {
        "live": facts.live,
        "planned": facts.to0.planned,
        "error": facts.to0.error or None,
        "servers": servers,
        "registered_here_until": facts.registered_until,
    }


def _run_of(facts: Facts, protocol: str) -> RunSeenOut:
    """The newest run, and how many in a row did not end well."""
    last = facts.last(protocol)
    return {
        "seen": last is not None,
        "tries": facts.tries(protocol),
        "last": None if last is None else shown_trace(last),
    }
