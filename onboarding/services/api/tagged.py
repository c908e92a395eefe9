"""An answer with an ETag, and the type of what is in it, which OpenAPI is told."""

import json
from typing import Any, Generic, TypeVar, get_args, get_origin

from fastapi import Response

T = TypeVar("T")

ETAG: dict[str, Any] = {
    "description": "Names this state; send it as If-Match to change only this.",
    "schema": {"type": "string"},
}


class Tagged(Response, Generic[T]):
    """A state as JSON with its tag; without content that it is the one you have."""

    def __init__(self, content: T | None, tag: str) -> None:
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if content is None:
            super().__init__(status_code=304, headers=headers)
            return
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        super().__init__(body, headers=headers, media_type="application/json")


def described(annotation: Any) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of a route that is annotated with ``Tagged``; or none."""
    if get_origin(annotation) is not Tagged:
        return {}
    (shape,) = get_args(annotation)
    return {200: {"model": shape, "headers": {"ETag": ETAG}}}
