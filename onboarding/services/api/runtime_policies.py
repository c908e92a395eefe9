"""Runtime policies: what IMA may measure, in Keylime's form, by digest."""

from typing import Annotated

from fastapi import Path, Response

from attestation.runtime_policy import read_runtime_policy
from onboarding.services.api.answers.policies import RuntimePolicyOut
from onboarding.services.api.auth import Caller, Ctx, RawBody, actor, needs
from onboarding.services.api.examples import EXAMPLES
from onboarding.services.api.routing import STORES, JsonSchema, api_router, takes
from onboarding.services.api.within import Reach
from onboarding.store.apikeys import Role

router = api_router("policies")

_POLICY: dict[str, JsonSchema] = {
    "application/json": {
        "type": "object",
        "required": ["meta", "digests"],
        "properties": {
            "meta": {
                "type": "object",
                "required": ["generator"],
                "properties": {"generator": {"type": "integer", "minimum": 2}},
            },
            "digests": {"type": "object", "minProperties": 1},
            "excludes": {
                "type": "array",
                "maxItems": 256,
                "items": {"type": "string", "format": "regex"},
            },
        },
    }
}
DigestPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@router.post("/runtime-policies", **STORES, **takes(_POLICY, **needs(Role.SECURITY)))
def post_runtime_policy(
    body: RawBody, context: Ctx, caller: Caller, response: Response
) -> RuntimePolicyOut:
    """Store one as Keylime's tools make it; attestation policies name its digest."""
    digest = read_runtime_policy(body)
    made = context.stores.runtime_policies.add(body, actor(caller), context.now())
    response.status_code = 201 if made else 200
    return {"digest": digest, "bytes": len(body)}


@router.get(
    "/runtime-policies/{digest}",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/json": {
                    "schema": _POLICY["application/json"],
                    "examples": {"one": {"value": EXAMPLES["POST /runtime-policies"]}},
                }
            }
        }
    },
    **needs(Role.OPERATOR, Role.SECURITY, labels=Reach.OPEN),
)
def get_runtime_policy(digest: DigestPath, context: Ctx) -> Response:
    """One, byte for byte as it was given."""
    body = context.stores.runtime_policies.get(bytes.fromhex(digest))
    return Response(body, media_type="application/json")
