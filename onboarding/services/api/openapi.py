"""What the OpenAPI document says of all routes alike."""

from typing import Any

from fastapi import FastAPI

from onboarding.services.api.examples import illustrate
from onboarding.services.api.idempotency import NAME_PATTERN, is_honoured
from onboarding.services.api.samples import sample
from onboarding.services.api.specimens import of_answer
from onboarding.services.rate_limit import FREE

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "A refusal. Source: RFC 9457.",
    "required": ["type", "title", "status", "detail", "code", "remedy"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for people."},
        "code": {"type": "string", "description": "For programs; it stays."},
        "remedy": {"type": "string", "description": "What to do next."},
    },
    "examples": [
        {
            "type": "urn:vouchgate:problem:role-refused",
            "title": "Forbidden",
            "status": 403,
            "detail": "A key of role operator may not do this.",
            "code": "role-refused",
            "remedy": "Use a key of one of these roles: admin, security.",
        }
    ],
}

_REFUSED = {
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
}
RESPONSES: dict[str, Any] = {
    "Unauthorized": {
        "description": "Nobody is known by the key, token or certificate.",
        "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
        "content": _REFUSED,
    },
    "Forbidden": {
        "description": "The caller's role, scopes or devices do not include this.",
        "content": _REFUSED,
    },
    "PreconditionFailed": {
        "description": "It is not what If-Match or If-None-Match says.",
        "content": _REFUSED,
    },
    "TooManyRequests": {
        "description": "Too many requests from this address, or by this key.",
        "headers": {
            "Retry-After": {
                "description": "Seconds to wait.",
                "schema": {"type": "integer", "minimum": 1},
            }
        },
        "content": _REFUSED,
    },
}
SCHEMES: dict[str, Any] = {
    "APIKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, as POST /api/v1/apikeys makes one.",
    },
    "HTTPBearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or an access token of the OIDC issuer that is set.",
    },
    "mutualTLS": {
        "type": "mutualTLS",
        "description": "A client certificate, where the service has a CA for them.",
    },
}
REPEATABLE: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Done once, however often it is sent; take a random UUID.",
    "schema": {"type": "string", "pattern": NAME_PATTERN, "maxLength": 130},
    "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
}


class DescribedApp(FastAPI):
    """An application whose document has what its layers add to each route."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        parts: dict[str, Any] = document.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        schemas["Problem"] = PROBLEM
        parts["responses"], parts["securitySchemes"] = RESPONSES, SCHEMES
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _roles(operation)
                illustrate(method, path, operation)
                _refusals(path, operation)
                if is_honoured(method.upper(), path):
                    operation.setdefault("parameters", []).append(REPEATABLE)
                _answers(f"{method.upper()} {path}", operation, schemas)
        return document


def _roles(operation: dict[str, Any]) -> None:
    """Say to people as well whom a route lets in: viewers leave out ``x-`` members."""
    roles = operation.get("x-roles")
    if roles:
        said = operation.get("description", "")
        operation["description"] = f"{said}\n\nRoles: {', '.join(roles)}.".strip()


def _refusals(path: str, operation: dict[str, Any]) -> None:
    """What layers in front of a route may answer instead of it."""
    said = operation["responses"]
    if path not in FREE:
        said["429"] = {"$ref": "#/components/responses/TooManyRequests"}
    if "security" in operation:
        operation["security"].append({"mutualTLS": []})
        said["401"] = {"$ref": "#/components/responses/Unauthorized"}
        said["403"] = {"$ref": "#/components/responses/Forbidden"}
    names = {one["name"].lower() for one in operation.get("parameters", [])}
    if "if-match" in names:
        said["412"] = {"$ref": "#/components/responses/PreconditionFailed"}
        if "if-none-match" in names and "get" in operation["operationId"]:
            said.setdefault("304", {"description": "It is the one that you have."})


def _answers(route: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """An example for each answer that has a schema of its own, or is no JSON."""
    for status, said in operation["responses"].items():
        for kind, media in said.get("content", {}).items() if status[0] == "2" else ():
            if "$ref" in media.get("schema", {}):
                media["examples"] = {"one": {"value": sample(media["schema"], schemas)}}
            elif (shown := of_answer(route, kind)) is not None:
                media["examples"] = {"one": shown}
