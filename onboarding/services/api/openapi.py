"""What the OpenAPI document says of all routes alike."""

from typing import Any

from fastapi import FastAPI

from onboarding.services.api.examples import illustrate

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "A refusal. Source: RFC 9457.",
    "required": ["type", "title", "status", "detail", "code"],
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


class DescribedApp(FastAPI):
    """An application whose document has the schema that refusals refer to."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        document = super().openapi()
        parts: dict[str, Any] = document.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = PROBLEM
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                illustrate(method, path, operation)
        return document
