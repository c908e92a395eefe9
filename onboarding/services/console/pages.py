"""How pages are made: templates, headers, and refusals that people can read."""

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from onboarding.services.api import problems
from onboarding.services.console import words
from onboarding.services.console.assets import assets
from onboarding.services.console.sessions import NotLoggedIn, Session
from onboarding.services.context import Context
from onboarding.services.diagnosis.facts import name_of
from onboarding.services.errors import Problem
from onboarding.services.meters import Meters
from onboarding.store.apikeys import Role

TEMPLATES = Path(__file__).parent / "templates"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Path, name, and who may see it: the roles of the routes that each page calls.
NAVIGATION: tuple[tuple[str, str, frozenset[Role]], ...] = (
    ("/", "Fleet", frozenset({Role.OPERATOR, Role.SECURITY, Role.ADMIN})),
    ("/vouchers", "Vouchers", frozenset(Role)),
    ("/policies", "Policies", frozenset({Role.OPERATOR, Role.SECURITY, Role.ADMIN})),
    ("/security", "Security", frozenset({Role.OPERATOR, Role.SECURITY, Role.ADMIN})),
    ("/audit", "Audit log", frozenset({Role.SECURITY, Role.ADMIN})),
)


def is_update(request: Request) -> bool:
    """Whether a page asks for its own newer state, and not a person for a page."""
    return request.headers.get("hx-request") == "true"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=words.visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        ago=words.ago,
        amount=words.amount,
        coded=words.coded,
        detail=words.detail,
        meaning=words.meaning,
        message=name_of,
        moment=words.moment,
        number=words.size_of,
        short=words.short,
        span=words.span,
        tone=words.tone,
    )
    made.globals["asset"] = lambda name: assets()[name].url
    return made


def render(
    request: Request,
    name: str,
    session: Session | None = None,
    status: int = 200,
    **values: object,
) -> HTMLResponse:
    """Return a page; of one that brings itself up to date, the part that changes."""
    template = _environment().get_template(name)
    context: Context = request.app.state.context
    part = is_update(request)
    text = template.render(
        **_frame(request, session),
        frame="part.html" if part else "page.html",
        live=part or ("live" in template.blocks and status == 200),
        now=context.now(),
        **values,
    )
    return HTMLResponse(text, status, dict(HEADERS))


def _frame(request: Request, session: Session | None) -> dict[str, object]:
    """What every page has around it: who is logged in, and where one can go."""
    role = None if session is None else session.key.role
    return {
        "path": request.url.path,
        "here": _here(request),
        "role": role,
        "key_name": None if session is None else session.key.name,
        "csrf": None if session is None else session.csrf,
        "navigation": [one for one in NAVIGATION if role in one[2]],
    }


def _here(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def see_other(path: str) -> Response:
    """Send the browser to another page after a form."""
    return RedirectResponse(path, 303, dict(HEADERS))


class PageRoute(APIRoute):
    """A route whose refusals are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except NotLoggedIn:
                return _to_login(request)
            except problems.KINDS as error:
                problem = problems.problem_of(error)
                meters: Meters = request.app.state.context.meters
                meters.refusals.labels("http", problem.code).inc()
                return refusal_page(request, problem)

        return handled


def pages_router() -> APIRouter:
    """Return a router for pages of the console."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


def refusal_page(request: Request, problem: Problem) -> Response:
    """Return a refusal as a page."""
    session = request.scope.get("vouchgate.session")
    return render(request, "refusal.html", session, problem.status, problem=problem)


def _to_login(request: Request) -> Response:
    """Ask who it is, and come back here afterwards."""
    if is_update(request):
        return Response(status_code=204, headers={**HEADERS, "HX-Refresh": "true"})
    if request.method != "GET":
        return see_other("/login")
    if request.headers.get("sec-fetch-site") == "cross-site":
        # The cookie is not sent along from elsewhere: ask once more, from here.
        return render(request, "again.html")
    back = _here(request)
    return see_other("/login" if back == "/" else f"/login?to={quote(back, safe='')}")
