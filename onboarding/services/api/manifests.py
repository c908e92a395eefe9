"""Manifests: the files a device shall run, signed by their owner once stored."""

from typing import Annotated

from fastapi import Response
from pydantic import Field, StringConstraints

from attestation.manifest import RELATIVE_PATH, Manifest, ManifestKind, sign_bundle
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.policies import ManifestOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import (
    Body,
    Limit,
    Name,
    Version,
    VersionCursor,
    decode_bytes,
)
from onboarding.services.api.routing import STORES, api_router
from onboarding.services.api.within import Reach
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.manifests import ManifestRecord

router = api_router("manifests")

Content = Annotated[str, StringConstraints(max_length=400_000)]
Encoded = Annotated[
    str, StringConstraints(max_length=400_000, pattern=r"^[A-Za-z0-9_-]*={0,2}$")
]
# As a device lays files down: relative, one or more plain names between slashes.
RelativePath = Annotated[str, StringConstraints(pattern=RELATIVE_PATH)]


class TextFileIn(Body):
    """One file: its relative path, and its content as text."""

    path: RelativePath
    text: Content


class BytesFileIn(Body):
    """One file: its relative path, and its content as base64url."""

    path: RelativePath
    content: Encoded


class ManifestIn(Body):
    """A named version of a set of files."""

    name: Name
    version: Version
    kind: ManifestKind
    files: Annotated[list[TextFileIn | BytesFileIn], Field(min_length=1, max_length=64)]


@router.get("/manifests", **needs(Role.OPERATOR, Role.SECURITY, labels=Reach.OPEN))
def list_manifests(
    context: Ctx, limit: Limit = 100, cursor: VersionCursor = None
) -> Listed[ManifestOut]:
    """Manifests by name and version, without their files."""
    page = context.stores.manifests.page(cursor, limit)
    return listed(page, _shown)


@router.post("/manifests", **STORES, **needs(Role.OPERATOR))
def post_manifest(
    body: ManifestIn, context: Ctx, caller: Caller, response: Response
) -> ManifestOut:
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


def _content(file: TextFileIn | BytesFileIn) -> bytes:
    if isinstance(file, TextFileIn):
        return file.text.encode()
    try:
        return decode_bytes(file.content)
    except ValueError as error:
        raise Problem(422, "invalid", f"{file.path}: {error}.") from error


def _shown(one: ManifestRecord) -> ManifestOut:
    return {
        "name": one.name,
        "version": int(one.version),
        "kind": one.kind,
        "digest": one.digest.hex(),
        "created_at": one.created_at,
        "created_by": one.created_by,
    }
