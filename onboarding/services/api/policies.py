"""Policies: what devices' PCRs must be, and what a release asks for."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import ConfigDict, Field

from attestation.policy import AttestationPolicy, ReleasePolicy
from onboarding.services import rows
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import MAX_INT, Body, JsonObject, Name
from onboarding.services.api.routing import api_router
from onboarding.services.errors import Problem
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.policies import PolicyRecord

router = api_router("policies")

READERS = (Role.OPERATOR, Role.SECURITY)
NamePath = Annotated[Name, Path()]
VersionQuery = Annotated[int | None, Query(ge=1, le=MAX_INT)]


class PolicyIn(Body):
    """A policy document; ``version`` may be left out: the next one is taken.

    Kind attestation: name, bank, pcrs {"7": ["hex", …]}, lease_seconds.
    Kind release: name, accepted_ek, accepted_binding, max_age_seconds,
    required_labels.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Literal["attestation", "release"]
    name: Name
    version: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None


@router.get("/policies", **needs(*READERS))
def list_policies(context: Ctx) -> JsonObject:
    """Each policy in its newest version."""
    return {"items": [_shown(one) for one in context.stores.policies.newest()]}


@router.post("/policies", status_code=201, **needs(Role.SECURITY))
def post_policy(
    body: PolicyIn, context: Ctx, caller: Caller, response: Response
) -> JsonObject:
    """Store the next version; the same version and content again is no change."""
    document = {**_defaults(body.kind), **(body.model_extra or {}), "name": body.name}
    document["version"] = body.version or _next(context, body.name)
    record = rows.policy_record(
        _parse(body.kind, document), actor(caller), context.now()
    )
    made = context.stores.policies.add(record)
    response.status_code = 201 if made else 200
    return _shown(record)


@router.get("/policies/{name}", **needs(*READERS))
def get_policy(
    name: NamePath, context: Ctx, version: VersionQuery = None
) -> JsonObject:
    """One version, the newest unless told otherwise, and which there are."""
    found = context.stores.policies.get(name, version)
    versions = [one.version for one in context.stores.policies.versions(name)]
    return {**_shown(found), "versions": versions}


def _defaults(kind: str) -> dict[str, Any]:
    if kind == "attestation":
        return {"bank": "sha256", "lease_seconds": 900}
    return ReleasePolicy().to_json()


def _parse(kind: str, document: dict[str, Any]) -> AttestationPolicy | ReleasePolicy:
    if kind == "attestation":
        return AttestationPolicy.from_json(document)
    return ReleasePolicy.from_json(document)


def _next(context: Ctx, name: str) -> int:
    try:
        newest = context.stores.policies.get(name)
    except NotFound:
        return 1
    if newest.version >= MAX_INT:
        raise Problem(409, "conflict", "The policy has no versions left.")
    return newest.version + 1


def _shown(one: PolicyRecord) -> JsonObject:
    policy = (
        rows.attestation_policy(one)
        if one.kind == "attestation"
        else rows.release_policy(one)
    )
    return {
        **policy.to_json(),
        "kind": one.kind.value,
        "digest": one.digest.hex(),
        "created_at": one.created_at,
        "created_by": one.created_by,
    }
