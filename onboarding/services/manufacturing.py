"""The manufacturing service: DI, and the vouchers that leave the factory."""

import secrets
from functools import partial

from onboarding.protocol.env import DiServerEnv
from onboarding.protocol.registry import DI
from onboarding.protocol.step import Effect, StoreVoucher
from onboarding.services.api import (
    apikeys,
    audit,
    device_cas,
    diagnosis,
    events,
    keys,
    passports,
    rvinfo,
    traces,
    vouchers,
)
from onboarding.services.app import Part, build
from onboarding.services.context import Context
from onboarding.services.device_ca import DeviceCas
from onboarding.services.key_store import KeyKind
from onboarding.services.roles import ProtocolRole
from onboarding.services.settings import Settings
from onboarding.services.site import rendezvous_info
from onboarding.services.transport import AsgiApp
from onboarding.services.voucher_records import record_of

ACTOR = "service:manufacturing"
ROUTERS = (
    apikeys.router,
    audit.router,
    device_cas.router,
    diagnosis.router,
    events.router,
    keys.router,
    passports.router,
    rvinfo.router,
    traces.router,
    vouchers.router,
)


def part(context: Context) -> Part:
    """Return DI and the factory's routes."""
    return Part((_di(context),), ROUTERS)


def create_app(settings: Settings) -> AsgiApp:
    """Return the manufacturing service as an ASGI application."""
    return build(settings, [part])


def _di(context: Context) -> ProtocolRole:
    ring = context.keyrings[KeyKind.MANUFACTURER]
    cas = DeviceCas(context.key_store)

    def env(now: int) -> DiServerEnv:
        return DiServerEnv(
            now,
            secrets.token_bytes,
            rendezvous_info(context.stores.settings),
            ring.of_type,
            partial(cas.issue, now=now),
        )

    def commit(effect: Effect, now: int, _run: bytes) -> None:
        if isinstance(effect, StoreVoucher):
            record = record_of(effect.voucher, effect.serial, now)
            context.stores.vouchers.add(record, ACTOR)

    return ProtocolRole(DI, context.settings.run_seconds, env, commit)
