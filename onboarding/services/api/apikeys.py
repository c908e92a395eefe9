"""API keys: made, listed, revoked by an admin."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import Field, StringConstraints

from onboarding.services.api.answers.access import ApiKeyOut, NewApiKeyOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import When, record_tag
from onboarding.services.api.fields import Body, Limit, Line, Name, TimeCursor
from onboarding.services.api.paging import made_at, paged
from onboarding.services.api.routing import api_router
from onboarding.services.api.scopes import require_groups, require_no_more
from onboarding.services.lines import NAME
from onboarding.store.apikeys import MOST_SCOPES, SCOPE, ApiKey, Role
from onboarding.store.key_limits import MOST, Limits

router = api_router("api keys")

KeyName = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=100)
]
Lifetime = Annotated[int, Field(ge=1, le=10 * 365 * 86400, strict=True)]
Scope = Annotated[str, StringConstraints(pattern=rf"^{SCOPE.pattern}$")]
LineName = Annotated[str, StringConstraints(pattern=NAME)]
KeyLabels = Annotated[
    dict[Name, Line],
    Field(max_length=MOST, json_schema_extra={"additionalProperties": False}),
]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]


class ApiKeyIn(Body):
    """A key to be made: for ever and for all routes, unless told otherwise.

    ``scopes`` are groups of routes, as the tags of this document (`-` for a space);
    with ``:read`` it may only look. With ``labels`` an operator's or security's key is
    for devices that have all of them only; with ``lines`` a manufacturer's for what
    was made on one of them.
    """

    name: KeyName
    role: Role
    expires_in: Lifetime | None = None
    scopes: Annotated[tuple[Scope, ...], Field(max_length=MOST_SCOPES)] = ()
    labels: KeyLabels = Field(default_factory=dict)
    lines: Annotated[tuple[LineName, ...], Field(max_length=MOST)] = ()


@router.get("/apikeys", **needs())
def list_keys(
    context: Ctx, limit: Limit = 100, cursor: TimeCursor = None
) -> Listed[ApiKeyOut]:
    """Every key, without secrets, the dead ones too."""
    known = context.stores.api_keys.list()
    page = paged(known, lambda one: made_at(one.created_at, one.id), cursor, limit)
    return listed(page, _shown)


@router.post("/apikeys", status_code=201, **needs())
def create_key(body: ApiKeyIn, context: Ctx, caller: Caller) -> NewApiKeyOut:
    """Make a key; its token is in this answer and nowhere else.

    A key that has scopes makes keys of no others.
    """
    require_groups(body.scopes)
    require_no_more(caller.scopes, body.scopes)
    now, limits = context.now(), Limits(tuple(body.labels.items()), body.lines)
    expires = None if body.expires_in is None else now + body.expires_in
    key, token = context.stores.api_keys.create(
        body.name, body.role, actor(caller), now, expires, body.scopes, limits
    )
    return {**_shown(key), "key": token}


@router.delete("/apikeys/{key_id}", status_code=204, **needs())
def revoke_key(key_id: KeyId, context: Ctx, caller: Caller, when: When) -> Response:
    """End a key now."""
    keys = context.stores.api_keys
    before = keys.get(key_id)
    with when.meeting(before, record_tag(before)) as seen:
        keys.revoke(key_id, actor(caller), context.now(), seen)
    return Response(status_code=204)


def _shown(key: ApiKey) -> ApiKeyOut:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "scopes": list(key.scopes),
        "labels": dict(key.limits.labels),
        "lines": list(key.limits.lines),
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "etag": record_tag(key),
    }
