"""The push channel: the owner enrols a device in Keylime with the keys it bound."""

from attestation.appraisal import Channel
from attestation.keylime.errors import KeylimeError
from onboarding.services import reconcile
from onboarding.services.context import Context
from onboarding.services.device_api.attest import Attesting, ready
from onboarding.services.device_api.requests import DeviceCall, take_text
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.keylime_link import KeylimeLink, require

_TAG = 96  # hexadecimal digits of HMAC-SHA384


class PushEnrolment:
    """Registrar and verifier learn of a device from its owner alone."""

    def __init__(self, context: Context, gate: Gate, link: KeylimeLink | None) -> None:
        self._context = context
        self._gate = gate
        self._link = link

    def begin(self, call: DeviceCall) -> dict[str, object]:
        """Register exactly the EK and AK of the binding; return the credential."""
        attesting = self._ready(call)
        client, agent = require(self._link).client, str(call.guid)
        client.delete(agent)
        binding = attesting.binding
        blob = client.register(
            agent, binding.ek_public, binding.ek_certificate, binding.ak_public
        )
        return {
            "agent_id": agent,
            "id_object": blob.id_object,
            "encrypted_secret": blob.encrypted_secret,
        }

    def complete(self, call: DeviceCall) -> dict[str, object]:
        """Activate, check what Keylime has on record, and enrol in the verifier."""
        attesting = self._ready(call)
        client, agent = require(self._link).client, str(call.guid)
        try:
            client.activate(agent, take_text(call.body, "auth_tag", _TAG))
        except KeylimeError as error:
            raise Problem(
                403,
                "not-activated",
                "The device's TPM did not open Keylime's credential.",
                remedy="Begin again with /device/v1/enrol.",
            ) from error
        self._require_ours(attesting, agent)
        client.unenrol(agent)
        pcrs = attesting.situation.held.verifier_pcrs
        client.enrol(agent, attesting.binding.ak_public, pcrs)
        now = self._context.now()
        stores = self._context.stores
        stores.devices.enrolled(call.guid.raw, Channel.PUSH.value, call.actor, now)
        reconcile.plan(stores, call.guid.raw, now)
        return {"agent_id": agent, "enrolled": True}

    def _ready(self, call: DeviceCall) -> Attesting:
        return ready(self._gate.situation(call.guid.raw), Channel.PUSH)

    def _require_ours(self, attesting: Attesting, agent: str) -> None:
        """Whoever else reaches the registrar must not have slipped in other keys."""
        found = require(self._link).client.registered(agent)
        binding = attesting.binding
        if found is None or found.ak_public != binding.ak_public:
            raise Problem(403, "other-keys", "Keylime has other keys on record.")
        if found.ek_public != binding.ek_public:
            raise Problem(403, "other-keys", "Keylime has another EK on record.")
