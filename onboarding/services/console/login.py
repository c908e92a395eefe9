"""Logging in with an API key, and out."""

import logging
import re

from fastapi import APIRouter, Request, Response

from onboarding.services import logs
from onboarding.services.api.auth import Ctx
from onboarding.services.console.attempts import Attempts
from onboarding.services.console.guard import (
    Current,
    FormFields,
    cookie_name,
    cookie_of,
    is_tls,
    prove_origin,
)
from onboarding.services.console.pages import pages_router, render, see_other
from onboarding.services.console.sessions import (
    NotLoggedIn,
    Sessions,
    csrf_of,
    new_secret,
)
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.sources import bucket_of
from onboarding.store.errors import ApiKeyRefused

log = logging.getLogger(__name__)

# A path of ours: one slash first, so that it names no other host.
_OURS = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~?=&%+:-]{0,500}")
_FORM = "login"  # the cookie of a login page, before there is a session


def login_router(attempts: Attempts) -> APIRouter:
    """Return the pages by which people come in and go out."""
    router = pages_router()

    @router.get("/login")
    def login_page(request: Request, context: Ctx, to: str = "/") -> Response:
        """Ask for an API key."""
        return _login_page(request, context, to)

    @router.post("/login")
    def login(request: Request, context: Ctx, form: FormFields) -> Response:
        """Open a session for an API key."""
        prove_origin(form.get("csrf"), cookie_of(request, context, _FORM))
        to, now = _back(form.get("to", "/")), context.now()
        address = request.client.host if request.client else "unknown"
        wait = attempts.wait(address, now)
        if wait:
            raise _TooMany(wait)
        try:
            secret = Sessions(context).begin(form.get("key", "").strip())
        except ApiKeyRefused:
            attempts.failed(address, now)
            context.meters.refusals.labels("http", "api-key-refused").inc()
            about = logs.refused("login", bucket_of(address))
            log.warning("console: a login from %s was refused", address, extra=about)
            return _login_page(request, context, to, refused=True)
        answer = see_other(to)
        _drop(answer, request, context, _FORM)
        _hold(answer, request, context, "session", secret)
        return answer

    router.post("/logout")(_logout)
    return router


def _logout(
    request: Request, context: Ctx, _session: Current, form: FormFields
) -> Response:
    """End the session, here and wherever its cookie was copied to."""
    secret = cookie_of(request, context)
    prove_origin(form.get("csrf"), secret)
    Sessions(context).end(secret or "")
    answer = see_other("/login")
    _drop(answer, request, context, "session")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


class _TooMany(Problem):
    def __init__(self, seconds: int) -> None:
        super().__init__(
            429,
            "too-many-logins",
            "Too many logins from your address were refused.",
            remedy=f"Wait {seconds} s, then try again.",
        )


def _login_page(
    request: Request, context: Context, to: str, *, refused: bool = False
) -> Response:
    try:
        Sessions(context).of(cookie_of(request, context), active=False)
    except NotLoggedIn:
        pass
    else:
        return see_other(_back(to))
    secret = cookie_of(request, context, _FORM) or new_secret()
    status = 401 if refused else 200
    shown = {"word": csrf_of(secret), "to": _back(to), "refused": refused}
    answer = render(request, "login.html", None, status, **shown)
    _hold(answer, request, context, _FORM, secret)
    return answer


def _back(to: str) -> str:
    return to if _OURS.fullmatch(to) and not to.startswith("/login") else "/"


def _hold(
    answer: Response, request: Request, context: Context, name: str, secret: str
) -> None:
    answer.set_cookie(
        cookie_name(request, context, name),
        secret,
        secure=is_tls(request, context),
        httponly=True,
        samesite="strict",
    )


def _drop(answer: Response, request: Request, context: Context, name: str) -> None:
    answer.delete_cookie(
        cookie_name(request, context, name),
        secure=is_tls(request, context),
        httponly=True,
        samesite="strict",
    )
