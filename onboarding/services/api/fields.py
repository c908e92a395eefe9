"""The kinds of values that requests and answers are made of."""

import base64
import binascii
from typing import Annotated, Any, overload

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
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Serial = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,128}$")]
# Strict: a JSON true is no number, and "1" is none either.
Version = Annotated[int, Field(ge=1, le=MAX_INT, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


# PEM has a reader of its own; the format says what must be in it.
_PEM = StringConstraints(min_length=1, max_length=65536)
PublicPem = Annotated[
    str, _PEM, Field(json_schema_extra={"format": "pem-public-key"})
]  # or a certificate, and its issuers after it
CertificatesPem = Annotated[
    str, _PEM, Field(json_schema_extra={"format": "pem-certificates"})
]


class Body(BaseModel):
    """A request's body: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Labels = Annotated[
    dict[Name, Line],
    Field(max_length=64, json_schema_extra={"additionalProperties": False}),
]


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
    str,
    StringConstraints(max_length=65536, pattern=r"^[A-Za-z0-9_-]*={0,2}$"),
    AfterValidator(_decoded),
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


@overload
def guid_text(raw: bytes) -> str: ...
@overload
def guid_text(raw: None) -> None: ...
@overload
def guid_text(raw: bytes | None) -> str | None: ...
def guid_text(raw: bytes | None) -> str | None:
    """Write a GUID for people."""
    return None if raw is None else str(Guid(raw))


_GUID = r"^[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$"
_OF_GUID = "GUID, dashed or 32 digits"
GuidText = Annotated[str, StringConstraints(pattern=_GUID)]
GuidPath = Annotated[str, Path(pattern=_GUID, description=_OF_GUID)]
GuidQuery = Annotated[str | None, Query(pattern=_GUID, description=_OF_GUID)]
Limit = Annotated[int, Query(ge=1, le=200)]


# A cursor names the last row of a page, by what the list is sorted by.
_NEXT = "`next` of the page before"
BytesCursor = Annotated[
    str | None, Query(pattern=r"^(?:[0-9a-f]{2}){1,64}$", description=_NEXT)
]
NumberCursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description=_NEXT)]
TimeCursor = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{1,18}:(?:[0-9a-f]{2}){1,54}$", description=_NEXT),
]
NameCursor = Annotated[
    str | None, Query(pattern=r"^[^\x00-\x1f\x7f]{1,128}$", description=_NEXT)
]
VersionCursor = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[0-9]{1,10}$", description=_NEXT),
]
Hex = Annotated[bytes, PlainSerializer(lambda data: data.hex(), return_type=str)]
JsonObject = dict[str, Any]
