"""The application behind the other server's paths, and the port that leads to it."""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, FastAPI, Request, Response

from onboarding.services.api.auth import ApiKeyGate, Identity, OpenGate
from onboarding.services.compat import answers, device_cas, manufacturing, owner
from onboarding.services.compat.answers import as_json
from onboarding.services.context import Context
from onboarding.services.heads import Heads
from onboarding.services.limits import BodyLimit
from onboarding.services.settings import Role
from onboarding.services.transport import AsgiApp, Receive, Scope, Send
from onboarding.store.errors import StoreError

ROUTERS: tuple[tuple[APIRouter, frozenset[Role]], ...] = (
    (manufacturing.router, frozenset({Role.MANUFACTURING})),
    (owner.router, frozenset({Role.OWNER})),
    (device_cas.router, frozenset({Role.RENDEZVOUS, Role.OWNER})),
)
LARGER_BODIES = {"/api/v1/owner/vouchers": 16 * 1024 * 1024}
OPEN_CALLER = "insecure_compat_open"

health = APIRouter()


@health.get("/health")
def get_health(request: Request) -> Response:
    """Whether the service and its database answer; no key is asked for."""
    context: Context = request.app.state.context
    try:
        whole = context.database.is_current()
    except StoreError:
        whole = False
    if not whole:
        return as_json({"message": "database error"}, 500)
    told = "the service is up and running"
    return as_json({"version": _version(), "status": "OK", "message": told})


def build(
    context: Context,
    verify: Callable[[str], Identity],
    refused: Callable[[str], None],
) -> AsgiApp:
    """Return the paths of the roles that ``context`` serves, behind API keys.

    Without keys if the settings say ``insecure_compat_open``. ``refused`` is told the
    code of each refusal.
    """
    app = application(context.settings.role)
    app.state.context = context
    answers.install(app, refused)
    gated: AsgiApp = ApiKeyGate(app, verify, refused)
    if context.settings.insecure_compat_open:
        gated = OpenGate(app, OPEN_CALLER)
    return Heads(BodyLimit(gated, larger=LARGER_BODIES))


def application(role: Role) -> FastAPI:
    """Return the routes of a role, for what they say of themselves."""
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.include_router(health)
    for router, roles in ROUTERS:
        if any(map(role.includes, roles)):
            app.include_router(router)
    return app


class ByPort:
    """An ASGI application for each port that a request may have come in by."""

    def __init__(self, app: AsgiApp, others: Mapping[int, AsgiApp]) -> None:
        self._app = app
        self._others = dict(others)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The socket's own port, never what a Host header claims.
        port = (scope.get("server") or (None, None))[1]
        app = self._others.get(port, self._app) if port is not None else self._app
        await app(scope, receive, send)


def _version() -> str:
    try:
        return version("vouchgate")
    except PackageNotFoundError:
        return "unknown"
