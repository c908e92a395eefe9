"""Who calls, and whether the route lets that role in."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from onboarding.services import logs
from onboarding.services.api.problems import from_error, response
from onboarding.services.api.scopes import LOOKING, scope_of
from onboarding.services.api.within import Reach, require_within
from onboarding.services.certified import CERTIFICATE
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.people import Person
from onboarding.services.transport import AsgiApp, Receive, Scope, Send
from onboarding.store.apikeys import ApiKey, Role
from onboarding.store.errors import StoreError

PREFIX = "/api/"
OPEN_PATHS = frozenset({"/api/v1/openapi.json"})
_CALLER = "vouchgate.caller"

Identity = ApiKey | Person
ANY = tuple(Role)


class ApiKeyGate:
    """An ASGI wrapper: nothing under ``/api/`` is even read without a valid key."""

    def __init__(
        self,
        app: AsgiApp,
        verify: Callable[[str], Identity],
        refused: Callable[[str], None],
        certified: Callable[[bytes], Identity] | None = None,
    ) -> None:
        """``refused`` is told the code of each refusal.

        ``certified`` knows whom a client's certificate names, if that will do.
        """
        self._app = app
        self._verify = verify
        self._refused = refused
        self._certified = certified

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _guarded(scope["path"]):
            try:
                scope[_CALLER] = await asyncio.to_thread(self._known, scope)
            except (Problem, StoreError) as error:
                problem = from_error(error)
                self._refused(problem.code)
                await response(problem)(scope, receive, send)
                return
            with logs.about(caller=actor(scope[_CALLER])):
                await self._app(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _known(self, scope: Scope) -> Identity:
        """Who calls: by a token, or else by a certificate. Raises Problem."""
        shown = scope.get(CERTIFICATE)
        if self._certified is not None and shown is not None and not _tokens(scope):
            return self._certified(shown)
        return self._verify(token_of(scope))


class OpenGate:
    """An ASGI wrapper that lets everybody in as an admin of that name.

    Only for routes and settings that are named ``insecure_``.
    """

    def __init__(self, app: AsgiApp, name: str) -> None:
        self._app = app
        self._caller = ApiKey(name, name, Role.ADMIN, 0, name, None, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _guarded(scope["path"]):
            scope[_CALLER] = self._caller
        await self._app(scope, receive, send)


def _guarded(path: str) -> bool:
    return path.startswith(PREFIX) and path not in OPEN_PATHS


def _tokens(scope: Scope) -> bool:
    return any(name in (b"x-api-key", b"authorization") for name, _ in scope["headers"])


def token_of(scope: Scope) -> str:
    """The token that a request was made with. Raises Problem."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    key = headers.get(b"x-api-key")
    if key is not None:
        return key.decode("latin-1").strip()
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.decode("latin-1").strip()
    raise Problem(
        401,
        "api-key-missing",
        "This route needs an API key.",
        remedy="Send it as X-API-Key, or as Authorization: Bearer.",
    )


def caller_of(scope: Scope) -> Identity:
    """Whom the gate let in."""
    caller: Identity = scope[_CALLER]
    return caller


def named_of(scope: Scope) -> str | None:
    """How the audit log names whom the gate let in, if it let in somebody."""
    caller: Identity | None = scope.get(_CALLER)
    return None if caller is None else caller.actor


def _caller(request: Request) -> Identity:
    return caller_of(request.scope)


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Caller = Annotated[Identity, Depends(_caller)]
Ctx = Annotated[Context, Depends(_context)]


def actor(caller: Identity) -> str:
    """How the audit log names a caller."""
    return caller.actor


def needs(
    *roles: Role, labels: Reach | None = None, lines: Reach | None = None
) -> dict[str, Any]:
    """Route arguments that let in ``roles``, and admins; OpenAPI says so too.

    Args:
        labels: How the route keeps to the devices of a key that is limited to some
            labels; None: such keys are refused.
        lines: Likewise of one that is limited to some production lines.
    """

    def check(request: Request, caller: Caller) -> None:
        require(caller, *roles)
        require_scope(caller, request)
        require_within(caller.limits, request, labels, lines)

    told: dict[str, Any] = {"x-roles": sorted(one.value for one in {*roles, _ADMIN})}
    for name, reach in (("x-labels", labels), ("x-lines", lines)):
        if reach is not None:
            told[name] = reach.value
    return {
        "dependencies": [Depends(check), Security(_HEADER), Security(_BEARER)],
        "openapi_extra": told,
    }


_ADMIN = Role.ADMIN


def require(caller: Identity, *roles: Role) -> None:
    """Refuse a caller of none of these roles; admins may do everything.

    Raises:
        Problem: 403.
    """
    allowed = {*roles, Role.ADMIN}
    if caller.roles.isdisjoint(allowed):
        names = _listed(allowed)
        raise Problem(
            403,
            "role-refused",
            f"A key of role {_listed(caller.roles)} may not do this.",
            remedy=f"Use a key of one of these roles: {names}.",
        )


def _listed(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(role.value for role in roles))


def require_scope(caller: Identity, request: Request) -> None:
    """Refuse a route that is in no group that the caller's key is for.

    Raises:
        Problem: 403.
    """
    if not caller.scopes:
        return
    groups = {scope_of(str(tag)) for tag in getattr(request.scope["route"], "tags", ())}
    wanted = groups | {
        f"{one}{LOOKING}" for one in groups if request.method in _LOOKING
    }
    if wanted.isdisjoint(caller.scopes):
        raise Problem(
            403,
            "scope-refused",
            "This key is for other routes.",
            remedy=f"Use a key with one of these scopes: {', '.join(sorted(wanted))}.",
        )


_LOOKING = ("GET", "HEAD")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)


async def raw_body(request: Request) -> bytes:
    """The request's body as it came."""
    return await request.body()


RawBody = Annotated[bytes, Depends(raw_body)]
