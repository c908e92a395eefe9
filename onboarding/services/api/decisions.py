"""Release decisions, with their reasons and what they were made from."""

import json

from onboarding.services.api.answers.audit import DecisionOut
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, needs
from onboarding.services.api.fields import (
    GuidQuery,
    Limit,
    TimeCursor,
    guid_text,
    parse_guid,
)
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.store.apikeys import Role
from onboarding.store.decisions import DecisionRecord

router = api_router("decisions")


@router.get("/decisions", **needs(Role.OPERATOR, Role.SECURITY, labels=Reach.OWN))
def list_decisions(
    context: Ctx,
    caller: Caller,
    limit: Limit = 100,
    cursor: TimeCursor = None,
    guid: GuidQuery = None,
) -> Listed[DecisionOut]:
    """Newest first; of one device under all its GUIDs, if one of them is named."""
    raw = None if guid is None else parse_guid(guid).raw
    page = context.stores.decisions.page(cursor, limit, raw, caller.limits.labels)
    return listed(page, _shown)


def _shown(one: DecisionRecord) -> DecisionOut:
    manifest = one.manifest_digest
    return {
        "id": one.id,
        "guid": guid_text(one.guid),
        "allowed": one.allowed,
        "at": one.at,
        "reasons": [
            {"code": r.code, "sentence": r.sentence, "remedy": r.remedy}
            for r in one.reasons
        ],
        "policy_digest": one.policy_digest.hex(),
        "manifest_digest": None if manifest is None else manifest.hex(),
        "record": json.loads(one.facts),
    }
