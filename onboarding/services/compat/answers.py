"""Answers in the words of go-fdo-server: times, GUIDs, and what it says of errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from onboarding.services.api.problems import KINDS, problem_of
from onboarding.services.errors import Problem
from ownership_vouchers.types import Guid

PEM_TYPE = "application/x-pem-file"
_IN_JSON = ("/api/v2/", "/api/v1/device-ca", "/health")


def guid_of(text: str) -> bytes:
    """Read 32 hexadecimal digits: the other server takes no dashes.

    Raises:
        Problem: 400.
    """
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(text) != 32 or len(raw) != 16:
        raise Problem(400, "invalid-guid", "Invalid GUID: it has 32 hex digits.")
    return Guid(raw).raw


def rfc3339(seconds: int) -> str:
    """Write seconds since 1970 as UTC."""
    return utc(datetime.fromtimestamp(seconds, UTC))


def utc(time: datetime) -> str:
    """Write a time of UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(value: object, status: int = 200) -> Response:
    """Return JSON as the other server writes it, a line end after it."""
    body = json.dumps(value, separators=(",", ":")) + "\n"
    return Response(body, status, media_type="application/json")


def install(app: FastAPI, refused: Callable[[str], None]) -> None:
    """Have every refusal said as text, or as ``{"message": …}`` on newer paths."""

    def on_error(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        refused(problem.code)
        # What the router refuses is text there, on all paths.
        path = "" if isinstance(error, HTTPException) else request.url.path
        return refusal(problem, path)

    for kind in (*KINDS, Exception):
        app.add_exception_handler(kind, on_error)


def refusal(problem: Problem, path: str) -> Response:
    """Write a problem; what cannot be read is 400 there, not 422."""
    status = 400 if problem.status == 422 else problem.status
    words = " ".join(filter(None, (problem.detail, problem.remedy)))
    if path.startswith(_IN_JSON):
        return as_json({"message": words}, status)
    return Response(words + "\n", status, media_type="text/plain; charset=utf-8")
