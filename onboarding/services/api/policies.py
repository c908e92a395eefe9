"""Policies: what devices' PCRs must be, and what a release asks for."""

from typing import Annotated, Any, Literal, cast

from fastapi import Path, Query, Response
from pydantic import ConfigDict

from attestation.policy import AttestationPolicy, ReleasePolicy
from onboarding.services import rows
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.answers.policies import (
    PolicyDiffOut,
    PolicyOut,
    PolicyVersionsOut,
)
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import ALWAYS, Conditions, When, answered
from onboarding.services.api.fields import (
    MAX_INT,
    Body,
    Limit,
    Name,
    NameCursor,
    Version,
)
from onboarding.services.api.paging import paged
from onboarding.services.api.policy_schema import POLICY
from onboarding.services.api.routing import STORES, api_router
from onboarding.services.api.tagged import ETAG, Tagged
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.policy_changes import told_changes
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.policies import PolicyKind, PolicyRecord

router = api_router("policies")

READERS = (Role.OPERATOR, Role.SECURITY)
NamePath = Annotated[Name, Path()]
KindQuery = Annotated[PolicyKind | None, Query()]
VersionQuery = Annotated[int | None, Query(ge=1, le=MAX_INT)]


def _schema(schema: dict[str, Any]) -> None:
    schema.clear()
    schema.update(POLICY, title="PolicyIn", description=PolicyIn.__doc__)


_STORES = {
    **STORES,
    "responses": {
        200: {**STORES["responses"][200], "headers": {"ETag": ETAG}},
        201: {"headers": {"ETag": ETAG}},
    },
}


class PolicyIn(Body):
    """A policy document; ``version`` may be left out: the next one is taken.

    Kind attestation: name, bank, pcrs {"7": ["hex", …]}, lease_seconds.
    Kind release: name, accepted_ek, accepted_binding, max_age_seconds,
    required_labels, factory_identity.
    """

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra=_schema)

    kind: Literal["attestation", "release"]
    name: Name
    version: Version | None = None


@router.get("/policies", **needs(*READERS, labels=Reach.OPEN))
def list_policies(
    context: Ctx, limit: Limit = 100, cursor: NameCursor = None, kind: KindQuery = None
) -> Listed[PolicyOut]:
    """Each policy in its newest version."""
    newest = context.stores.policies.newest()
    found = (one for one in newest if kind is None or one.kind is kind)
    return listed(paged(found, lambda one: one.name, cursor, limit), _shown)


@router.post("/policies", **_STORES, **needs(Role.SECURITY))
def post_policy(
    body: PolicyIn, context: Ctx, caller: Caller, response: Response, when: When
) -> PolicyOut:
    """Store the next version; the same version and content again is no change.

    With If-Match: only after the version that has this ETag.
    """
    version = _next(context, body.name, when, body.version)
    document = {**_defaults(body.kind), **(body.model_extra or {}), "name": body.name}
    document["version"] = version
    policy = _parse(body.kind, document)
    if isinstance(policy, AttestationPolicy) and policy.runtime_policy is not None:
        # Refused now, and not when the first device attests.
        context.stores.runtime_policies.get(bytes.fromhex(policy.runtime_policy))
    record = rows.policy_record(policy, actor(caller), context.now())
    with when.held():
        made = context.stores.policies.add(record)
    response.headers["ETag"] = _tag(record)
    response.status_code = 201 if made else 200
    return _shown(record)


@router.get("/policies/{name}", **needs(*READERS, labels=Reach.OPEN))
def get_policy(
    name: NamePath, context: Ctx, when: When, version: VersionQuery = None
) -> Tagged[PolicyVersionsOut]:
    """One version, the newest unless told otherwise, and which there are."""
    shown, tag = shown_policy(context, name, version)
    # An older version's list of versions grows, and its tag does not.
    return answered(shown, tag, when if version is None else ALWAYS)


def shown_policy(
    context: Context, name: str, version: int | None = None
) -> tuple[PolicyVersionsOut, str]:
    """A version of a policy and its tag. Raises NotFound."""
    found = context.stores.policies.get(name, version)
    versions = [one.version for one in context.stores.policies.versions(name)]
    return {**_shown(found), "versions": versions}, _tag(found)


@router.get("/policies/{name}/diff", **needs(*READERS, labels=Reach.OPEN))
def diff_policy(
    name: NamePath,
    context: Ctx,
    version: VersionQuery = None,
    against: VersionQuery = None,
) -> PolicyDiffOut:
    """What changed between two versions as lines of text, the last two if not told."""
    after = context.stores.policies.get(name, version)
    other = against or after.version - 1
    before = context.stores.policies.get(name, other) if other else None
    old = None if before is None else stored(before)
    return {
        "name": name,
        "version": after.version,
        "against": None if before is None else before.version,
        "changes": list(told_changes(context.stores, old, stored(after))),
    }


def stored(one: PolicyRecord) -> AttestationPolicy | ReleasePolicy:
    """The policy that a record keeps, of whichever kind."""
    if one.kind is PolicyKind.ATTESTATION:
        return rows.attestation_policy(one)
    return rows.release_policy(one)


def _defaults(kind: str) -> dict[str, Any]:
    if kind == "attestation":
        return {"bank": "sha256", "lease_seconds": 900}
    return ReleasePolicy().to_json()


def _parse(kind: str, document: dict[str, Any]) -> AttestationPolicy | ReleasePolicy:
    if kind == "attestation":
        return AttestationPolicy.from_json(document)
    return ReleasePolicy.from_json(document)


def _tag(one: PolicyRecord) -> str:
    return f'"{one.version}-{one.digest.hex()[:16]}"'


def _next(context: Context, name: str, when: Conditions, given: int | None) -> int:
    """The version given, or the one after the newest, if that is as expected.

    Raises:
        Problem: 409, 412.
    """
    try:
        newest = context.stores.policies.get(name)
    except NotFound:
        when.require("", exists=False)
        return given or 1
    when.require(_tag(newest))
    if given is not None:
        return given
    if newest.version >= MAX_INT:
        raise Problem(409, "conflict", "The policy has no versions left.")
    return newest.version + 1


def _shown(one: PolicyRecord) -> PolicyOut:
    said = {
        **stored(one).to_json(),
        "kind": one.kind.value,
        "digest": one.digest.hex(),
        "created_at": one.created_at,
        "created_by": one.created_by,
    }
    return cast(PolicyOut, said)
