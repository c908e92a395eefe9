"""Every refusal as a problem document. Source: RFC 9457."""

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from attestation.errors import AttestationError, Refused
from attestation.keylime.errors import KeylimeError
from onboarding.protocol.errors import ProtocolError
from onboarding.services.api.remedies import remedy_of
from onboarding.services.errors import KeyStoreError, Problem
from onboarding.services.heads import ENDLESS
from onboarding.services.outages import tell
from onboarding.store.errors import (
    ApiKeyRefused,
    Conflict,
    InvalidCursor,
    InvalidRecord,
    NotFound,
    StoreError,
    StoreUnavailable,
    TokenRefused,
)
from ownership_vouchers.errors import CheckFailed, UnsupportedKeyError, VoucherError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:vouchgate:problem:"

STORE_CODES: tuple[tuple[type[StoreError], int, str, str | None], ...] = (
    (NotFound, 404, "not-found", None),
    (Conflict, 409, "conflict", None),
    (InvalidRecord, 422, "invalid", None),
    (InvalidCursor, 422, "invalid-cursor", "Begin again without a cursor."),
    (ApiKeyRefused, 401, "api-key-refused", "Ask an admin for a key."),
    (TokenRefused, 401, "token-refused", "Ask for a new one and try again."),
)

HTTP_CODES: Mapping[int, str] = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "body-too-slow",
    413: "body-too-large",
    415: "unsupported-media-type",
    422: "invalid",
}

_SENTENCES: Mapping[int, str] = {
    404: "There is no such path.",
    405: "This path does not take that method.",
}

_OWN_CODES: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("path", "guid"): ("invalid-guid", "Write 32 hexadecimal digits, dashed or not."),
    ("query", "guid"): ("invalid-guid", "Write 32 hexadecimal digits, dashed or not."),
    ("query", "cursor"): ("invalid-cursor", "Begin again without a cursor."),
}

KINDS: tuple[type[Exception], ...] = (
    HTTPException,
    RequestValidationError,
    Problem,
    StoreError,
    VoucherError,
    ProtocolError,
    AttestationError,
    KeyStoreError,
)
"""What a handler raises to refuse; anything else is a fault of ours."""

FOR_PROGRAMS = ("/api/", "/device/", "/healthz", "/readyz", "/metrics")
Page = Callable[[Request, Problem], Response]


def document(problem: Problem) -> dict[str, object]:
    """Return the JSON members of ``problem``."""
    members: dict[str, object] = {
        "type": TYPE_PREFIX + problem.code,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    members["remedy"] = problem.remedy or remedy_of(problem.code)
    return {**problem.extra, **members}


def response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``problem`` as an HTTP response."""
    # Plain ASCII: what a caller sent may be echoed and need not be valid UTF-8.
    body = json.dumps(document(problem), ensure_ascii=True)
    head = dict(headers or {})
    if problem.status == 401:
        head["WWW-Authenticate"] = 'Bearer realm="vouchgate"'
    if "retry_after" in problem.extra:
        head["Retry-After"] = str(problem.extra["retry_after"])
    return Response(body, problem.status, head, media_type=MEDIA_TYPE)


def from_error(error: Exception) -> Problem:
    """Map what our packages raise to what a caller is told."""
    match error:
        case Problem():
            return error
        case StoreError():
            return _from_store(error)
        case VoucherError() | ProtocolError():
            return _from_input(error)
        case AttestationError():
            return _from_attestation(error)
        case KeyStoreError():
            return Problem(503, "key-unavailable", str(error))
        case _:
            return Problem(500, "internal", "The service failed; its log says why.")


def _from_input(error: Exception) -> Problem:
    match error:
        case CheckFailed():
            return Problem(422, error.check.value.replace("_", "-"), str(error))
        case UnsupportedKeyError():
            return Problem(422, "unsupported-key", str(error))
        case _:
            return Problem(422, "malformed", str(error))


def _from_attestation(error: AttestationError) -> Problem:
    match error:
        case Refused():
            return Problem(422, error.code.value, error.sentence, remedy=error.remedy)
        case KeylimeError():
            return Problem(
                502,
                "keylime-unavailable",
                "Keylime gave no usable answer; nothing was decided.",
                remedy="Try again; `vouchgate doctor` checks Keylime.",
            )
        case _:
            return Problem(422, "refused", str(error))


def _from_store(error: StoreError) -> Problem:
    for kind, status, code, remedy in STORE_CODES:
        if isinstance(error, kind):
            return Problem(status, code, str(error), remedy=remedy)
    return Problem(
        503,
        "store-unavailable",
        "The database did not answer, or could not store it.",
        remedy="Try again; /readyz tells when it is back.",
    )


def problem_of(error: Exception) -> Problem:
    """As ``from_error``, and what the framework refuses besides."""
    match error:
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
        case _:
            return from_error(error)


def _from_http(error: HTTPException) -> Problem:
    status, said = error.status_code, str(error.detail)
    if said == HTTPStatus(status).phrase:  # the framework's: no sentence
        said = _SENTENCES.get(status, said)
    return Problem(status, HTTP_CODES.get(status, "http-error"), said)


def _from_validation(error: RequestValidationError) -> Problem:
    code, remedy = "invalid", "See `errors`, and /api/v1/openapi.json."
    places = {tuple(map(str, one["loc"])) for one in error.errors()}
    if len(places) == 1:
        code, remedy = _OWN_CODES.get(places.pop(), (code, remedy))
    errors = [
        {"at": [str(part) for part in one["loc"]], "message": str(one["msg"])}
        for one in error.errors()[:20]
    ]
    return Problem(
        422,
        code,
        "The request is not what this route takes.",
        remedy=remedy,
        extra={"errors": errors},
    )


def install(app: FastAPI, refused: Callable[[str], None], page: Page | None) -> None:
    """Make ``app`` answer every refusal with a problem document.

    ``refused`` is told the code of each. ``page`` makes one for people, who ask for
    HTML and for none of the paths of programs.
    """

    def on_error(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if isinstance(error, StoreUnavailable):
            tell(log, error, "a request failed")
        refused(problem.code)
        if page is not None and _is_for_people(request):
            return page(request, problem)
        return response(problem, _headers(request, error))

    for kind in (*KINDS, Exception):
        app.add_exception_handler(kind, on_error)


def _headers(request: Request, error: Exception) -> Mapping[str, str] | None:
    if not isinstance(error, HTTPException):
        return None
    if error.status_code != 405:
        return error.headers
    # The framework names the methods of the first route only that has this path.
    allowed = methods_of(request.app, request.scope)
    if "GET" in allowed and request.url.path not in ENDLESS:
        allowed.add("HEAD")
    return {"Allow": ", ".join(sorted(allowed))}


def methods_of(app: FastAPI, scope: Scope) -> set[str]:
    """What may be done with a path. Source: RFC 9110, section 10.2.1."""
    found: set[str] = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        asked = {**scope, "method": method}
        if any(one.matches(asked)[0] is Match.FULL for one in app.routes):
            found.add(method)
    return found


def _is_for_people(request: Request) -> bool:
    asks = "text/html" in request.headers.get("accept", "")
    return asks and not request.url.path.startswith(FOR_PROGRAMS)
