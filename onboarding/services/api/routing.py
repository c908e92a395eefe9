"""How the routes of the management API are made: one prefix, and strict JSON."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, get_type_hints

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from attestation.json_read import unique_members
from onboarding.services.api.strictness import require_known
from onboarding.services.api.tagged import described

PREFIX = "/api/v1"
BYTES: dict[str, Any] = {"type": "string", "format": "binary"}
JsonSchema = dict[str, Any]

REFUSALS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A refusal; the reference of errors has every code.",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}
            }
        },
    }
}


class _Sha256(Convertor[str]):
    """A part of a path that is a SHA-256; words beside it are routes of their own."""

    regex = "[0-9a-f]{64}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Voucher(Convertor[str]):
    """A part of a path that names a voucher: whatever is no route of its own there."""

    regex = "(?!extend$)[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("sha256", _Sha256())
register_url_convertor("voucher", _Voucher())


class StrictRequest(Request):
    """A request whose JSON every reader reads alike (RFC 8259 leaves some open)."""

    async def json(self) -> object:
        """Return the body.

        Raises:
            HTTPException: 422; not JSON, too deep, a member stands twice in one
                object, or a number is none.
        """
        return strict_json(await self.body())


def strict_json(data: bytes) -> object:
    """Read JSON as every reader would. Raises HTTPException, as ``StrictRequest``."""
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=unique_members,
            parse_constant=_no_number,
            parse_float=_number,
        )
    except RecursionError as error:
        raise HTTPException(422, "The JSON is nested too deeply.") from error
    except ValueError as error:
        raise HTTPException(422, f"The body cannot be read: {error}.") from error


def _number(text: str) -> float | int:
    """1.0 is a whole number for JSON Schema, so it is one for us."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_KNOWN = Depends(require_known)


class StrictRoute(APIRoute):
    """A route that reads JSON as `StrictRequest` does, and tells what it answers."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        shape = get_type_hints(endpoint, include_extras=True).get("return")
        tagged, said = described(shape), more.get("responses") or {}
        if tagged:
            more["response_model"] = None
            more["responses"] = {**said, **tagged}
        elif more.get("status_code") == 201 and 200 in said:  # as ``STORES``
            more["responses"] = {**said, 200: {**said[200], "model": shape}}
        more["dependencies"] = [*(more.get("dependencies") or ()), _KNOWN]
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def api_router(tag: str) -> APIRouter:
    """Return a router for one subject of the management API."""
    return APIRouter(
        prefix=PREFIX, tags=[tag], route_class=StrictRoute, responses=REFUSALS
    )


def gives(media_type: str) -> dict[str, Any]:
    """Route arguments of an answer that is no JSON; OpenAPI says so too."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_class": Response, "responses": {200: {"content": content}}}


def gives_text(media_type: str, example: str | None = None) -> dict[str, Any]:
    """Route arguments of an answer that people can read, and is no JSON."""
    said: dict[str, Any] = {"schema": {"type": "string"}}
    if example is not None:
        said["examples"] = {"one": {"value": example}}
    return {
        "response_class": Response,
        "responses": {200: {"content": {media_type: said}}},
    }


def takes(
    content: Mapping[str, JsonSchema], *, needed: bool = True, **more: Any
) -> dict[str, Any]:
    """Route arguments of a body that the route reads itself, by its media type."""
    body = {kind: {"schema": schema} for kind, schema in content.items()}
    extra = {
        **more.pop("openapi_extra", {}),
        "requestBody": {"required": needed, "content": body},
    }
    return {**more, "openapi_extra": extra}


STORES: dict[str, Any] = {
    "status_code": 201,
    "responses": {200: {"description": "It was there already."}},
}
"""Route arguments of what is stored once, and told from what was stored before."""
