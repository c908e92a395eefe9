"""The push channel: the owner enrols a device in Keylime with the keys it bound.

Keylime's registrar drops a record, an active one too, when it is shown a wrong tag for
it. So a proof goes on to it once, and only from a device that has just begun.
"""

import re

from attestation.appraisal import Channel
from attestation.device_identity import BoundIdentity, IdentityClass
from attestation.keylime.errors import KeylimeError, KeylimeUnavailable
from attestation.keylime.factory_identity import RegisteredIdentity
from onboarding.services import enrol_task, enrolment, reconcile, turns
from onboarding.services.context import Context
from onboarding.services.device_api.readiness import enrolling
from onboarding.services.device_api.requests import DeviceCall, take_bytes, take_text
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate, Standing
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.store.bindings import BindingRecord
from onboarding.store.errors import TokenRefused

TICKET = "enrol-ticket"
_TAG = re.compile(r"[0-9a-f]{96}")  # HMAC-SHA384


class PushEnrolment:
    """Registrar and verifier learn of a device from its owner alone."""

    def __init__(self, context: Context, gate: Gate, link: KeylimeLink | None) -> None:
        self._context = context
        self._gate = gate
        self._link = link

    def begin(self, call: DeviceCall) -> dict[str, object]:
        """Register exactly the EK and AK of the binding; return the credential.

        A device whose maker is trusted may bring its IAK's word on the AK: then the
        registrar is told its factory identity as well.
        """
        _, binding = self._ready(call)
        client, agent = require(self._link).client, str(call.guid)
        client.delete(agent)
        blob = client.register(
            agent,
            binding.ek_public,
            binding.ek_certificate,
            binding.ak_public,
            _identity(call, binding),
        )
        return {
            "agent_id": agent,
            "id_object": blob.id_object,
            "encrypted_secret": blob.encrypted_secret,
            "ticket": self._promise(call),
        }

    def complete(self, call: DeviceCall) -> dict[str, object]:
        """Activate, check what Keylime has on record, and enrol in the verifier."""
        standing, binding = self._ready(call)
        client, agent = require(self._link).client, str(call.guid)
        tag = take_text(call.body, "auth_tag", 96)
        if not _TAG.fullmatch(tag):
            raise Problem(422, "malformed", "auth_tag is not 96 digits in lower case.")
        self._spend(call)
        try:
            client.activate(agent, tag)
        except KeylimeUnavailable:
            raise  # that says nothing of the TPM
        except KeylimeError as error:
            raise Problem(
                403,
                "not-activated",
                "The device's TPM did not open Keylime's credential.",
                remedy="Begin again with /device/v1/enrol.",
            ) from error
        self._require_ours(binding, agent)
        client.unenrol(agent)
        held, raw = standing.held, call.guid.raw
        now, stores = self._context.now(), self._context.stores
        first = turns.turn(held, Channel.PUSH) or turns.SHOWS_ITSELF
        enrolment.hold_push(stores, client, agent, binding.ak_public, first)
        stores.devices.enrolled(raw, Channel.PUSH.value, call.actor, now)
        reconcile.plan(stores, raw, now)
        if held.update is not None:  # and again at its end, which the task plans
            enrol_task.plan(stores, raw, now)
        return {"agent_id": agent, "enrolled": True}

    def _promise(self, call: DeviceCall) -> str:
        """What shows that an enrolment was begun, by whom and not long ago."""
        now = self._context.now()
        expires = now + self._context.settings.attest_challenge_seconds
        return self._context.server_keys.sealer(now).seal(
            TICKET, call.guid.raw, expires
        )

    def _spend(self, call: DeviceCall) -> None:
        now = self._context.now()
        ticket = take_text(call.body, "ticket", 4096)
        try:
            opened = self._context.server_keys.sealer(now).open(ticket, TICKET, now)
        except TokenRefused as error:
            raise _again(str(error)) from error
        if opened.payload != call.guid.raw:
            raise _again("It was begun by another device.")
        expires = now + self._context.settings.attest_challenge_seconds
        if not self._context.stores.runs.spend(opened.id, expires):
            raise _again("Its proof was passed on before.")

    def _ready(self, call: DeviceCall) -> tuple[Standing, BindingRecord]:
        standing = self._gate.standing(call.guid.raw)
        return standing, enrolling(standing, Channel.PUSH)

    def _require_ours(self, binding: BindingRecord, agent: str) -> None:
        """Whoever else reaches the registrar must not have slipped in other keys."""
        found = require(self._link).client.registered(agent)
        if found is None or found.ak_public != binding.ak_public:
            raise Problem(403, "other-keys", "Keylime has other keys on record.")
        if found.ek_public != binding.ek_public:
            raise Problem(403, "other-keys", "Keylime has another EK on record.")


def _identity(call: DeviceCall, binding: BindingRecord) -> RegisteredIdentity | None:
    """Keys and certificates of the binding, with what the device signed for them."""
    if binding.identity is None or "iak_attest" not in call.body:
        return None
    bound = BoundIdentity.decode(binding.identity)
    if bound.klass is not IdentityClass.FACTORY_TRUSTED or bound.idevid is None:
        return None
    return RegisteredIdentity(
        bound.iak.public,
        bound.iak.certificate,
        bound.idevid.public,
        bound.idevid.certificate,
        take_bytes(call.body, "iak_attest", 1024),
        take_bytes(call.body, "iak_sign", 1024),
    )


def _again(detail: str) -> Problem:
    remedy = "Begin again with /device/v1/enrol."
    return Problem(409, "enrolment-refused", detail, remedy=remedy)
