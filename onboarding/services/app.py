"""One service as an ASGI application: its roles joined, nothing else."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, FastAPI

from attestation.device_auth import MAX_REQUEST
from attestation.ek_bundle import MAX_BUNDLE
from attestation.runtime_policy import MAX_RUNTIME_POLICY
from onboarding.services import first_key, health, logs, metrics
from onboarding.services.api import problems
from onboarding.services.api.auth import OPEN_PATHS, ApiKeyGate
from onboarding.services.api.idempotency import Idempotent
from onboarding.services.api.openapi import DescribedApp
from onboarding.services.asking_rendezvous import RendezvousService
from onboarding.services.audit import Checkpoints
from onboarding.services.compat import mount
from onboarding.services.context import Context, open_context
from onboarding.services.event_feed import EventFeed
from onboarding.services.fdo_front import FdoFront, MessageHandler
from onboarding.services.heads import Heads
from onboarding.services.health import Health
from onboarding.services.key_use import KeyDesk
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.limits import BodyLimit
from onboarding.services.oidc import issuer_of
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.rate_limit import SourceLimit, buckets_of
from onboarding.services.request_log import RequestLog
from onboarding.services.roles import FdoRole
from onboarding.services.settings import Settings
from onboarding.services.transport import AsgiApp, FdoTransport
from onboarding.services.webhooks import KEEP_SECONDS, Webhooks
from onboarding.store.module_files import MAX_FILE
from onboarding.store.registrations import PRUNED

TITLE = "Vouchgate"
LARGER_BODIES = {
    "/api/v1/vouchers": 16 * 1024 * 1024,
    "/vouchers/import": 16 * 1024 * 1024,
    "/api/v1/keys/match": 16 * 1024 * 1024,
    "/api/v1/manifests": 2 * 1024 * 1024,
    "/api/v1/service-info/files": MAX_FILE,
    "/api/v1/runtime-policies": MAX_RUNTIME_POLICY,
    "/api/v1/ek-trust/bundles": MAX_BUNDLE,
    "/api/v1/ek-crls": MAX_BUNDLE,
    "/device/v1/attest": MAX_REQUEST,
    "/device/v1/attest/log": MAX_REQUEST,
}
KEYLIME_PREFIX = "/device/v1/keylime/"


Front = Callable[[AsgiApp, Callable[[str], None]], AsgiApp]


@dataclass(frozen=True, slots=True)
class Part:
    """What one role brings: protocol roles, routes, and work in the background."""

    protocols: tuple[ProtocolRole, ...]
    routers: tuple[APIRouter, ...]
    background: tuple[Callable[[], AsyncIterator[None]], ...] = ()
    keylime: KeylimeLink | None = None  # whose health is this service's, too
    asked: RendezvousService | None = None  # what it knows is told with our own
    refusal: problems.Page | None = None  # how people are told of one
    front: Front | None = None  # takes some requests before the routes see them


PartFactory = Callable[[Context], Part]


def build(
    settings: Settings,
    factories: Iterable[PartFactory],
    compat_port: int | None = None,
) -> FdoTransport:
    """Open what the settings name and join the parts over it.

    Args:
        compat_port: The port that leads to another server's paths, if one does.

    Raises:
        SettingsError, KeyStoreError, StoreError: As ``open_context``.
    """
    context = open_context(settings)
    try:
        first_key.make(context)
        return join(context, factories, compat_port)
    except BaseException:
        context.close()
        raise


def join(
    context: Context,
    factories: Iterable[PartFactory],
    compat_port: int | None = None,
) -> FdoTransport:
    """Join the parts over a context, which the application's lifespan closes."""
    parts = [factory(context) for factory in factories]
    meters = context.meters
    by_message, by_source, by_key = buckets_of(context.settings)
    desk = KeyDesk(context, by_key, issuer_of(context))
    verify = desk.verify

    def refused(code: str) -> None:
        meters.refusals.labels("http", code).inc()

    app = _management(context, parts, refused)
    protocols = [one for part in parts for one in part.protocols]
    once = Idempotent(
        Heads(app),
        context.stores.idempotency,
        context.now,
        context.server_keys.secret_of,
        refused,
    )
    certified = desk.certified if context.settings.mtls_ca is not None else None
    gate = ApiKeyGate(once, verify, refused, certified)
    known: AsgiApp = gate
    for part in parts:
        known = known if part.front is None else part.front(known, refused)
    limited: AsgiApp = BodyLimit(known, larger=LARGER_BODIES)
    if compat_port is not None:
        others = {compat_port: mount.build(context, verify, refused)}
        limited = mount.ByPort(limited, others)
    front = FdoFront(
        _handlers(context, protocols),
        offload=context.database.is_postgres,
        refused=lambda code: meters.refusals.labels("fdo", code).inc(),
        buckets=by_message,
    )
    counted = SourceLimit(RequestLog(limited, meters.requests), by_source, refused)
    return FdoTransport(counted, front, context.settings.proxies)


def _handlers(
    context: Context, protocols: Iterable[ProtocolRole]
) -> Mapping[int, MessageHandler]:
    """One handler for each protocol version; they share the tables and no message."""
    roles: dict[int, list[ProtocolRole]] = {}
    for one in protocols:
        roles.setdefault(one.server.version, []).append(one)
    keys, runs = context.server_keys, context.stores.runs
    noted = context.tracer, context.clock, context.meters.runs
    return {
        version: context.spans.around(FdoRole(found, keys, runs, *noted))
        for version, found in roles.items()
    }


def _tidy(context: Context) -> None:
    """Forget what ran out in any role; of runs keep what the settings say."""
    settings, now = context.settings, context.now()
    logs.sweep()
    context.stores.runs.prune(now)
    context.stores.idempotency.prune(now)
    context.stores.webhooks.prune(now - KEEP_SECONDS)
    while context.stores.registrations.prune(now) == PRUNED:
        pass
    before = now - settings.trace_days * 86400
    kept = settings.trace_runs_per_device, settings.trace_runs
    context.stores.traces.prune(before, *kept)


def _management(
    context: Context, parts: list[Part], refused: Callable[[str], None]
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(context.close)
            prune = partial(_tidy, context)
            await stack.enter_async_context(context.tracer.working(prune))
            signing = Checkpoints(context).run
            await stack.enter_async_context(asynccontextmanager(signing)())
            telling = Webhooks(context).run
            await stack.enter_async_context(asynccontextmanager(telling)())
            for part in parts:
                for work in part.background:
                    await stack.enter_async_context(asynccontextmanager(work)())
            yield

    (openapi,) = OPEN_PATHS
    app = DescribedApp(
        title=TITLE,
        version="1",
        lifespan=lifespan,
        openapi_url=openapi,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.context = context
    link = next((part.keylime for part in parts if part.keylime is not None), None)
    app.state.asked = next((one.asked for one in parts if one.asked is not None), None)
    app.state.feed = EventFeed(context)
    app.state.health = Health.of(context, link)
    page = next((part.refusal for part in parts if part.refusal is not None), None)
    problems.install(
        app, lambda code: context.meters.refusals.labels("http", code).inc(), page
    )
    app.include_router(health.router)
    app.include_router(metrics.router)
    for router in _once(router for part in parts for router in part.routers):
        app.include_router(router)
    return app


def _once(routers: Iterable[APIRouter]) -> list[APIRouter]:
    """Roles that share a process share some routes."""
    found: list[APIRouter] = []
    for router in routers:
        if not any(router is one for one in found):
            found.append(router)
    return found
