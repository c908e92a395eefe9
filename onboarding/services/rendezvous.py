"""The rendezvous service: owners register (TO0), devices ask (TO1)."""

import hashlib
import secrets
from dataclasses import dataclass, replace

from onboarding.protocol.env import To0RendezvousEnv, To1RendezvousEnv
from onboarding.protocol.errors import VoucherRefused
from onboarding.protocol.registration import Registration
from onboarding.protocol.registry import TO0, TO1
from onboarding.protocol.step import Effect, State, Step, StoreRegistration
from onboarding.services.api import (
    apikeys,
    diagnosis,
    events,
    registrations,
    traces,
)
from onboarding.services.api import trust as trust_api
from onboarding.services.app import Part, build
from onboarding.services.context import Context
from onboarding.services.roles import ProtocolRole
from onboarding.services.settings import Settings
from onboarding.services.transport import AsgiApp
from onboarding.services.trust import Trust, load_trust
from onboarding.store.errors import NotFound, RegistrationRefused
from onboarding.store.registrations import RegistrationRecord
from onboarding.wire.message import MsgType
from onboarding.wire.to0 import OwnerSign, To0d
from ownership_vouchers import cbor
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import Guid
from ownership_vouchers.voucher import Voucher

ROUTERS = (
    apikeys.router,
    diagnosis.router,
    events.router,
    registrations.router,
    traces.router,
    trust_api.router,
)


def part(context: Context) -> Part:
    """Return TO0, TO1 and the routes of a rendezvous server."""
    return Part((_to0(context), _to1(context)), ROUTERS)


def create_app(settings: Settings) -> AsgiApp:
    """Return the rendezvous service as an ASGI application."""
    return build(settings, [part])


def _to0(context: Context) -> ProtocolRole:
    settings = context.settings

    def env(now: int) -> To0RendezvousEnv:
        trust = load_trust(context.stores.settings)
        return To0RendezvousEnv(
            now,
            secrets.token_bytes,
            lambda guid: _find(context, guid),
            settings.rendezvous_max_seconds,
            trust.roots,
            lambda maker, _owner: _admits(settings, trust, maker),
        )

    def commit(effect: Effect, now: int, _run: bytes) -> None:
        if not isinstance(effect, _Announced):
            return
        record = _record(effect, now + effect.wait_seconds)
        try:
            context.stores.registrations.put(record, now)
        except RegistrationRefused as error:
            raise VoucherRefused(str(error)) from error

    role = replace(TO0, step=_announcing)
    return ProtocolRole(role, settings.run_seconds, env, commit)


def _to1(context: Context) -> ProtocolRole:
    def env(now: int) -> To1RendezvousEnv:
        return To1RendezvousEnv(secrets.token_bytes, lambda guid: _find(context, guid))

    def commit(_effect: Effect, _now: int, _run: bytes) -> None:
        """TO1 changes nothing."""

    return ProtocolRole(TO1, context.settings.run_seconds, env, commit)


def _admits(settings: Settings, trust: Trust, maker: PublicKey) -> bool:
    """An operator has to name somebody; until then nobody is let in."""
    if trust.is_empty:
        return settings.insecure_rendezvous_accept_any
    return trust.admits(maker)


@dataclass(frozen=True, slots=True)
class _Announced(StoreRegistration):
    """A registration with the SHA-256 of each entry of its voucher.

    The store tells with them, in the transaction that stores it, whether what
    stands there gives way.
    """

    entry_digests: tuple[bytes, ...]


def _announcing(
    state: State | None, kind: MsgType, body: bytes, env: To0RendezvousEnv
) -> Step:
    step = TO0.step(state, kind, body, env)
    return replace(
        step, effects=tuple(_with_digests(one, body) for one in step.effects)
    )


def _with_digests(effect: Effect, body: bytes) -> Effect:
    if not isinstance(effect, StoreRegistration):
        return effect
    to0d = To0d.from_cbor(OwnerSign.from_cbor(body).to0d)
    entries = Voucher.from_cbor(to0d.voucher).entries
    digests = tuple(hashlib.sha256(entry.raw).digest() for entry in entries)
    return _Announced(effect.registration, effect.wait_seconds, digests)


def _record(announced: _Announced, expires: int) -> RegistrationRecord:
    registration = announced.registration
    keys = cbor.encode([registration.device_spki, registration.owner_spki])
    return RegistrationRecord(
        registration.guid.raw,
        registration.to1d,
        registration.owner_fingerprint,
        registration.header_digest,
        announced.entry_digests,
        keys,
        expires,
    )


def _find(context: Context, guid: Guid) -> Registration | None:
    try:
        record = context.stores.registrations.get(guid.raw, context.now())
    except NotFound:
        return None
    device, owner = cbor.array(cbor.decode(record.device_key), 2)
    return Registration(
        guid,
        record.to1d,
        cbor.bstr(device),
        cbor.bstr(owner),
        record.header_digest,
        len(record.entry_digests),
        record.entry_digests[-1],
    )
