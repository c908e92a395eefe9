"""Who is let into a page: session, role, and for what changes something, proof.

A form proves that it came from a page of ours by a word that only we and that page
know, in the field ``csrf`` or, from a script, in the header ``X-CSRF-Token``.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from onboarding.services.api.auth import Ctx, require
from onboarding.services.console.pages import is_update
from onboarding.services.console.sessions import Session, Sessions, csrf_of
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 32
_SESSION = "vouchgate.session"

Form = Mapping[str, str]


def is_tls(request: Request, context: Context) -> bool:
    """Whether the browser talks TLS, to us or to the proxy before us."""
    return request.url.scheme == "https" or context.settings.console_tls_proxy


def cookie_name(request: Request, context: Context, name: str = "session") -> str:
    """``__Host-`` makes browsers refuse the cookie from anybody else, over TLS."""
    prefix = "__Host-" if is_tls(request, context) else ""
    return f"{prefix}vouchgate-{name}"


def cookie_of(request: Request, context: Context, name: str = "session") -> str | None:
    """What the browser holds of ours."""
    return request.cookies.get(cookie_name(request, context, name))


def current(request: Request, context: Ctx) -> Session:
    """The session of a request. Raises NotLoggedIn."""
    secret = cookie_of(request, context)
    session = Sessions(context).of(secret, active=not is_update(request))
    request.scope[_SESSION] = session
    return session


Current = Annotated[Session, Depends(current)]


async def form_of(request: Request) -> Form:
    """The fields of a form, each once.

    Raises:
        Problem: 415 or 422; it is no form, or not one of ours.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != _FORM:
        raise Problem(415, "not-a-form", "The body is not a form.")
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise Problem(422, "invalid", "The form cannot be read.") from error
    if len(dict(pairs)) != len(pairs):
        raise Problem(422, "invalid", "The form has a field twice.")
    return dict(pairs)


FormFields = Annotated[Form, Depends(form_of)]


def prove_origin(given: str | None, secret: str | None) -> None:
    """Refuse what did not come from a page that was given ``secret``.

    Raises:
        Problem: 403.
    """
    expected = None if secret is None else csrf_of(secret).encode()
    said = (given or "").encode("utf-8", "surrogatepass")
    if expected is None or not hmac.compare_digest(said, expected):
        raise Problem(
            403,
            "form-expired",
            "The form did not come from a page of this session.",
            remedy="Load the page again, and send it once more.",
        )


def _from_form(request: Request, context: Ctx, form: FormFields) -> None:
    prove_origin(form.get("csrf"), cookie_of(request, context))


def _from_script(request: Request, context: Ctx) -> None:
    prove_origin(request.headers.get("x-csrf-token"), cookie_of(request, context))


def allows(*roles: Role) -> dict[str, Any]:
    """Route arguments of a page for ``roles``, and admins."""
    return {"dependencies": [_role(roles)]}


def takes_form(*roles: Role) -> dict[str, Any]:
    """Route arguments of what changes something, asked for by a form."""
    return {"dependencies": [_role(roles), Depends(_from_form)]}


def takes_upload(*roles: Role) -> dict[str, Any]:
    """The same for a script that sends a file; refused before its body is read."""
    return {"dependencies": [_role(roles), Depends(_from_script)]}


def _role(roles: tuple[Role, ...]) -> Any:
    def check(session: Current) -> None:
        require(session.key, *roles)

    return Depends(check)
