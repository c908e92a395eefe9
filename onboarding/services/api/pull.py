"""Adopting a stock Keylime agent as the one that answers for a device."""

from typing import Literal

from fastapi import Request

from attestation.appraisal import Channel
from onboarding.services import enrol_task, reconcile
from onboarding.services.adoption import Adoption, Reported
from onboarding.services.api.answers.devices import AgentOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    Body,
    Fingerprint,
    GuidPath,
    guid_text,
)
from onboarding.services.api.present import present
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.device_api.readiness import enrolling
from onboarding.services.enrolment import enrol_push
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.health import Health
from onboarding.services.keylime_link import require, require_pull
from onboarding.services.pull import enrol_pull
from onboarding.store.apikeys import Role

router = api_router("devices")


class AgentIn(Body):
    """What was read off the device itself: SHA-256 of keys' SubjectPublicKeyInfo.

    Over ``pull`` the verifier calls the agent, over ``push`` the agent the verifier.
    """

    channel: Literal["pull", "push"] = "pull"
    ek_digest: Fingerprint | None = None
    ak_digest: Fingerprint | None = None


@router.put("/devices/{guid}/agent", **needs(Role.SECURITY, labels=Reach.NAMED))
def put_agent(
    guid: GuidPath, body: AgentIn, request: Request, context: Ctx, caller: Caller
) -> AgentOut:
    """Have the Keylime agent of that GUID speak for it, if it is on its TPM."""
    health: Health = request.app.state.health
    raw, who = present(context, guid), actor(caller)
    link, gate = require(health.link), Gate(context)
    channel = Channel(body.channel)
    if channel is Channel.PULL:
        require_pull(link)
    situation = gate.situation(raw)
    if situation.device.facts.owned_at is None:
        raise Problem(
            409,
            "not-owned",
            "The device is not owned yet.",
            remedy="Have it onboarded first.",
        )
    reported = Reported(
        *map(bytes.fromhex, (body.ek_digest or "", body.ak_digest or ""))
    )
    Adoption(context, link.client).bind(situation, reported, who, channel)
    situation = gate.situation(raw)
    binding = enrolling(situation, channel)
    enrol = enrol_pull if channel is Channel.PULL else enrol_push
    enrol(context.stores, link, situation)
    now = context.now()
    context.stores.devices.enrolled(raw, channel.value, who, now)
    if situation.held.update is not None:
        enrol_task.plan(context.stores, raw, now)  # which plans its end, too
    reconcile.plan(context.stores, raw, now)
    return {
        "guid": guid_text(raw),
        "channel": binding.channel,
        "ek_class": binding.ek_class,
        "class": binding.klass,
        "ek_digest": binding.ek_digest.hex(),
    }
