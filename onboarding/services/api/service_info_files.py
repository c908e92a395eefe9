"""Files that plans send to devices."""

from typing import Annotated

from fastapi import Path, Query, Response

from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.service_info import FileOut
from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.conditions import When, record_tag
from onboarding.services.api.fields import BytesCursor, Limit
from onboarding.services.api.routing import BYTES, api_router, takes
from onboarding.services.errors import Problem
from onboarding.services.serviceinfo.plans import read_document
from onboarding.store.apikeys import Role
from onboarding.store.module_files import FileRecord

router = api_router("service-info")

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
# Printable, as the store has it.
FileName = Annotated[
    str, Query(min_length=1, max_length=255, json_schema_extra={"format": "printable"})
]
_FILE = {"application/octet-stream": BYTES}


@router.get("/service-info/files", **needs(Role.OPERATOR, Role.SECURITY))
def list_files(
    context: Ctx, limit: Limit = 100, cursor: BytesCursor = None
) -> Listed[FileOut]:
    """Files by the SHA-256 of their bytes."""
    page = context.stores.module_files.page(cursor, limit)
    return listed(page, _shown)


@router.post(
    "/service-info/files",
    status_code=201,
    **takes(_FILE, needed=False, **needs(Role.OPERATOR)),
)
def post_file(name: FileName, body: RawBody, context: Ctx, caller: Caller) -> FileOut:
    """Store the body; plans find it by its SHA-256, or as the newest of its name."""
    files = context.stores.module_files
    return _shown(files.add(name, body, actor(caller), context.now()))


@router.delete("/service-info/files/{digest}", status_code=204, **needs(Role.OPERATOR))
def delete_file(digest: Digest, context: Ctx, caller: Caller, when: When) -> Response:
    """Forget a file that no plan sends in its newest version."""
    for plan in context.stores.module_plans.newest():
        if digest in read_document(plan).digests:
            raise Problem(
                409,
                "file-in-use",
                f"Plan {plan.name}@{plan.version} sends this file.",
                remedy="Store a version of the plan without it first.",
            )
    files, raw = context.stores.module_files, bytes.fromhex(digest)
    before = files.get(raw)
    with when.meeting(before, record_tag(before)) as seen:
        files.remove(raw, actor(caller), context.now(), seen)
    return Response(status_code=204)


def _shown(one: FileRecord) -> FileOut:
    return {
        "name": one.name,
        "sha256": one.sha256.hex(),
        "sha384": one.sha384.hex(),
        "size": one.size,
        "added_at": one.added_at,
        "added_by": one.added_by,
        "etag": record_tag(one),
    }
