"""The kinds of values that requests and answers are made of."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from onboarding.services.errors import Problem
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

MAX_INT = 2**31 - 1

# Without control characters: they forge log lines, and no database takes NUL.
_TEXT = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, StringConstraints(pattern=_TEXT, min_length=1, max_length=256)]
Line = Annotated[str, StringConstraints(pattern=_TEXT, max_length=1024)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Pem = Annotated[str, StringConstraints(min_length=1, max_length=65536)]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=0, le=MAX_INT)]


class Body(BaseModel):
    """A request's body: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _decoded(text: str) -> str:
    decode_bytes(text)
    return text


def encode_bytes(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_bytes(text: str) -> bytes:
    """Read base64url, padded or not. Raises ValueError."""
    try:
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error


Base64Text = Annotated[
    str, StringConstraints(max_length=65536), AfterValidator(_decoded)
]


def parse_guid(text: str) -> Guid:
    """Read a GUID from a path or a body, dashed or not.

    Raises:
        Problem: 422.
    """
    try:
        return Guid.parse(text)
    except VoucherError as error:
        raise Problem(422, "invalid-guid", str(error)) from error


def guid_text(raw: bytes | None) -> str | None:
    """Write a GUID for people."""
    return None if raw is None else str(Guid(raw))


GuidPath = Annotated[str, Path(max_length=64, description="GUID, dashed or 32 digits")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=128)]
Hex = Annotated[bytes, PlainSerializer(lambda data: data.hex(), return_type=str)]
JsonObject = dict[str, Any]
