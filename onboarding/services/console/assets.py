"""Styles and scripts: read once, named by their content, kept by browsers for good."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Response

from onboarding.services.errors import Problem

STATIC = Path(__file__).parent / "static"
HTMX = "htmx-4.0.1.min.js"
# Of the npm package htmx.org 4.0.1, dist/htmx.min.js, unaltered (Zero-Clause BSD).
HTMX_SHA256 = "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
_TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)
_FILES = ("console.css", "console.js", "icon.svg", f"vendor/{HTMX}")
_FOR_GOOD = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; ``digest`` is the SHA-256 of its content, in hex."""

    name: str
    media_type: str
    digest: str
    content: bytes = field(repr=False)

    @property
    def url(self) -> str:
        return f"/assets/{self.digest[:16]}/{self.name}"


@cache
def assets() -> MappingProxyType[str, Asset]:
    """Every asset by its name."""
    found = (_read(STATIC / name) for name in _FILES)
    return MappingProxyType({one.name: one for one in found})


@router.get("/assets/{digest}/{name}")
def get_asset(digest: str, name: str) -> Response:
    """One asset, if its content is still what the page that asks was made for."""
    found = assets().get(name)
    if found is None or found.digest[:16] != digest:
        raise Problem(404, "not-found", "There is no such file.")
    headers = {
        "Cache-Control": _FOR_GOOD,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(found.content, headers=headers, media_type=found.media_type)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Asset(path.name, _TYPES[path.suffix], digest, content)
