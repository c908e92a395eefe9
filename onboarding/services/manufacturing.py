"""The manufacturing service: DI, and the vouchers that leave the factory."""

from onboarding.services.api import (
    apikeys,
    audit,
    device_cas,
    device_keys,
    diagnosis,
    event_stream,
    events,
    hand_over,
    keys,
    lines,
    made,
    passports,
    rvinfo,
    traces,
    vouchers,
    webhooks,
)
from onboarding.services.app import Part, build
from onboarding.services.context import Context
from onboarding.services.di import Factory
from onboarding.services.settings import Settings
from onboarding.services.transport import FdoTransport

ROUTERS = (
    apikeys.router,
    audit.router,
    device_cas.router,
    device_keys.router,
    diagnosis.router,
    event_stream.router,
    events.router,
    hand_over.router,
    keys.router,
    lines.router,
    made.router,
    passports.router,
    rvinfo.router,
    traces.router,
    vouchers.router,
    webhooks.router,
)


def part(context: Context) -> Part:
    """Return DI and the factory's routes."""
    return Part((Factory(context).role(),), ROUTERS)


def create_app(settings: Settings) -> FdoTransport:
    """Return the manufacturing service as an ASGI application."""
    return build(settings, [part])
