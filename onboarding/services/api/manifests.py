"""Manifests: the files a device shall run, signed by their owner once stored."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

from fastapi import Response
from pydantic import Field, StringConstraints

from attestation.manifest import Manifest, ManifestKind, sign_bundle
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    MAX_INT,
    Body,
    Cursor,
    JsonObject,
    Limit,
    Name,
    Text,
    decode_bytes,
)
from onboarding.services.api.routing import STORES, api_router
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.manifests import ManifestRecord

router = api_router("manifests")

Content = Annotated[str, StringConstraints(max_length=400_000)]


class FileIn(Body):
    """One file: its relative path, and its content as text or as base64url."""

    path: Text
    text: Content | None = None
    content: Content | None = None


class ManifestIn(Body):
    """A named version of a set of files."""

    name: Name
    version: Annotated[int, Field(ge=1, le=MAX_INT)]
    kind: ManifestKind
    files: Annotated[list[FileIn], Field(min_length=1, max_length=64)]


@router.get("/manifests", **needs(Role.OPERATOR, Role.SECURITY))
def list_manifests(
    context: Ctx, limit: Limit = 100, cursor: Cursor = None
) -> JsonObject:
    """Manifests by name and version, without their files."""
    page = context.stores.manifests.page(_inner(cursor), limit)
    return {"items": [_shown(one) for one in page.items], "next": _outer(page.cursor)}


@router.post("/manifests", **STORES, **needs(Role.OPERATOR))
def post_manifest(
    body: ManifestIn, context: Ctx, caller: Caller, response: Response
) -> JsonObject:
    """Sign and store a version; the same again is no change."""
    files = tuple((one.path, _content(one)) for one in body.files)
    manifest = Manifest(body.name, body.version, body.kind, files)
    bundle = sign_bundle(manifest, context.speaker())
    record = ManifestRecord(
        manifest.name,
        str(manifest.version),
        manifest.kind.value,
        bytes.fromhex(manifest.digest()),
        bundle,
        context.now(),
        actor(caller),
    )
    made = context.stores.manifests.add(record)
    response.status_code = 201 if made else 200
    return _shown(record)


def _content(file: FileIn) -> bytes:
    if (file.text is None) == (file.content is None):
        raise Problem(422, "invalid", f"{file.path}: give either text or content.")
    if file.text is not None:
        return file.text.encode()
    try:
        return decode_bytes(file.content or "")
    except ValueError as error:
        raise Problem(422, "invalid", f"{file.path}: {error}.") from error


def _inner(cursor: str | None) -> str | None:
    """The store's cursor has a control character in it: not for URLs."""
    if cursor is None:
        return None
    try:
        return urlsafe_b64decode(cursor.encode()).decode()
    except ValueError as error:
        raise Problem(422, "invalid-cursor", "The cursor is not ours.") from error


def _outer(cursor: str | None) -> str | None:
    return None if cursor is None else urlsafe_b64encode(cursor.encode()).decode()


def _shown(one: ManifestRecord) -> JsonObject:
    return {
        "name": one.name,
        "version": int(one.version),
        "kind": one.kind,
        "digest": one.digest.hex(),
        "created_at": one.created_at,
        "created_by": one.created_by,
    }
