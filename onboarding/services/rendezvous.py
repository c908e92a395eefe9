"""The rendezvous service: owners register (TO0), devices ask (TO1)."""

import secrets

from onboarding.protocol.env import To0RendezvousEnv, To1RendezvousEnv
from onboarding.protocol.errors import NotServed, VoucherRefused
from onboarding.protocol.registration import Registration, Terms
from onboarding.protocol.registry import TO0, TO1
from onboarding.protocol.step import Effect, StoreRegistration
from onboarding.services.api import (
    apikeys,
    diagnosis,
    event_stream,
    events,
    key_rules,
    registrations,
    traces,
    webhooks,
)
from onboarding.services.api import trust as trust_api
from onboarding.services.app import Part, build
from onboarding.services.context import Context
from onboarding.services.fdo_front import Arrival
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.settings import Settings
from onboarding.services.transport import FdoTransport
from onboarding.services.trust import Trust, load_trust
from onboarding.store.errors import NotFound, RegistrationRefused
from onboarding.store.key_rules import Verdict
from onboarding.store.registrations import RegistrationRecord
from ownership_vouchers import cbor
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid

ROUTERS = (
    apikeys.router,
    diagnosis.router,
    event_stream.router,
    events.router,
    key_rules.router,
    registrations.router,
    traces.router,
    trust_api.router,
    webhooks.router,
)


def part(context: Context) -> Part:
    """Return TO0, TO1 and the routes of a rendezvous server."""
    return Part((_to0(context), _to1(context)), ROUTERS)


def create_app(settings: Settings) -> FdoTransport:
    """Return the rendezvous service as an ASGI application."""
    return build(settings, [part])


def _to0(context: Context) -> ProtocolRole:
    settings = context.settings
    terms = Terms(
        settings.rendezvous_min_seconds,
        settings.rendezvous_max_seconds,
        settings.rendezvous_default_seconds,
    )

    def env(now: int, _arrival: Arrival) -> To0RendezvousEnv:
        trust = load_trust(context.stores.settings)
        return To0RendezvousEnv(
            now,
            secrets.token_bytes,
            lambda guid: _registration(_find(context, guid)),
            terms,
            trust.roots,
            lambda maker, owner: _objection(context, trust, maker, owner),
        )

    def commit(effect: Effect, now: int, _run: bytes) -> None:
        if not isinstance(effect, StoreRegistration):
            return
        record = _record(effect.registration, now + effect.wait_seconds)
        quota = settings.rendezvous_owner_quota
        try:
            context.stores.registrations.put(record, now, quota)
        except RegistrationRefused as error:
            raise VoucherRefused(str(error)) from error

    return ProtocolRole(TO0, settings.run_seconds, env, commit)


def _to1(context: Context) -> ProtocolRole:
    def env(now: int, _arrival: Arrival) -> To1RendezvousEnv:
        return To1RendezvousEnv(
            secrets.token_bytes, lambda guid: _served(_find(context, guid))
        )

    def commit(_effect: Effect, _now: int, _run: bytes) -> None:
        """TO1 changes nothing."""

    return ProtocolRole(TO1, context.settings.run_seconds, env, commit)


def _objection(
    context: Context, trust: Trust, maker: PublicKey, owner: PublicKey
) -> str | None:
    """An operator has to name somebody; until then nobody is let in."""
    made, owned = maker.fingerprint(), owner.fingerprint()
    said = context.stores.key_rules.admission(made, owned)
    if said.manufacturer is Verdict.DENY:
        return f"the manufacturer's key {made} is denied here"
    if said.owner is Verdict.DENY:
        return f"the owner's key {owned} is denied here"
    if said.owners_listed and said.owner is not Verdict.ALLOW:
        return f"only allowed owners register here, and key {owned} is none of them"
    if not trust.admits(maker):
        return f"the manufacturer's key {made} is not trusted here"
    named = said.owners_listed or not trust.is_empty
    if not named and not context.settings.insecure_rendezvous_accept_any:
        return "nobody is trusted here yet: no manufacturer, device CA or owner"
    return None


def _record(registration: Registration, expires: int) -> RegistrationRecord:
    keys = cbor.encode([registration.device_spki, registration.owner_spki])
    claim = registration.claim
    return RegistrationRecord(
        registration.guid.raw,
        registration.to1d,
        claim.owner,
        claim.header_digest,
        claim.entry_digests,
        keys,
        expires,
        registration.maker,
    )


def _find(context: Context, guid: Guid) -> RegistrationRecord | None:
    try:
        return context.stores.registrations.get(guid.raw, context.now())
    except NotFound:
        return None


def _served(record: RegistrationRecord | None) -> Registration | None:
    """Raises NotServed: the operator denies one of its keys by now."""
    if record is not None and record.denied is not None:
        raise NotServed(f"it is registered, but {record.denied_key} is denied here")
    return _registration(record)


def _registration(record: RegistrationRecord | None) -> Registration | None:
    if record is None:
        return None
    device, owner = cbor.array(cbor.decode(record.device_key), 2)
    return Registration(
        Guid(record.guid),
        record.to1d,
        cbor.bstr(device),
        cbor.bstr(owner),
        record.maker or "",
        record.claim,
    )
