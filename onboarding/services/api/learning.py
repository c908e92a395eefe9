"""Learning a policy from a golden device: ask it, look at the draft, accept it."""

from typing import Annotated

from fastapi import Query

from attestation.boot_learn import USUAL
from attestation.errors import PolicyError
from attestation.learning import Shown, beside, draft
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import read_runtime_policy
from onboarding.services import enrolment
from onboarding.services.api.answers.policies import DraftOut, LearningOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.fields import GuidPath, Name, parse_guid
from onboarding.services.api.policies import stored
from onboarding.services.api.routing import api_router
from onboarding.services.api.within import Reach
from onboarding.services.context import Context
from onboarding.services.device_api.readiness import require_learnable
from onboarding.services.errors import Problem
from onboarding.services.gate import Gate
from onboarding.services.learning import Learner
from onboarding.services.policy_changes import told_changes
from onboarding.store.apikeys import Role
from onboarding.store.errors import NotFound
from onboarding.store.learnings import LearningRecord

router = api_router("policies")

Pcrs = Annotated[list[Annotated[int, Query(ge=0, le=23)]] | None, Query(max_length=24)]


@router.post(
    "/devices/{guid}/learning",
    status_code=202,
    **needs(Role.SECURITY, labels=Reach.NAMED),
)
def post_learning(guid: GuidPath, context: Ctx, caller: Caller) -> LearningOut:
    """Have the device show what it is, with its next evidence."""
    raw = context.stores.devices.get(parse_guid(guid).raw).guid
    require_learnable(context.stores, raw)
    context.stores.learnings.ask(raw, actor(caller), context.now())
    if Gate(context).standing(raw).policy is None:
        enrolment.plan_for(context, (raw,))  # on push the verifier is told to ask
    return _shown(context.stores.learnings.get(raw))


@router.get("/devices/{guid}/learning", **needs(Role.SECURITY, labels=Reach.NAMED))
def get_learning(guid: GuidPath, context: Ctx) -> LearningOut:
    """Whether the device was asked, and what it has shown."""
    return _shown(_learnt(context, guid))


@router.get(
    "/devices/{guid}/learning/draft", **needs(Role.SECURITY, labels=Reach.NAMED)
)
def get_draft(
    guid: GuidPath,
    context: Ctx,
    name: Annotated[Name, Query()],
    pcrs: Pcrs = None,
    update: bool = False,
    ima: bool = False,
) -> DraftOut:
    """The next version of a policy as the device shows it; nothing is stored.

    With ``update`` the version before is allowed beside it. With ``ima`` what the
    device ran is drafted, too: ``runtime_policy`` is then the text to store first, byte
    for byte, as the policy names its digest.
    """
    learnt = _learnt(context, guid)
    if learnt.at is None:
        raise Problem(
            409,
            "nothing-shown",
            "The device was asked, and has not attested since.",
            remedy="Have it attest: `vouchgate device attest` there.",
        )
    before = _before(context, name)
    version = 1 if before is None else before.version + 1
    shown = Shown(learnt.bank, learnt.pcrs, learnt.boot_log)
    old = None if before is None else before.runtime_policy
    ran = Learner(context).runtime(learnt, old, update=update) if ima else b""
    runtime = read_runtime_policy(ran) if ran else None
    policy = draft(name, version, shown, pcrs or USUAL, before, runtime)
    if update:
        policy = beside(policy, _required(before, name))
    return {
        "policy": {**policy.to_json(), "kind": "attestation"},
        "digest": policy.digest(),
        "against": None if before is None else before.version,
        "changes": list(told_changes(context.stores, before, policy, ran)),
        "runtime_policy": ran.decode() or None,
    }


def _learnt(context: Context, guid: str) -> LearningRecord:
    raw = context.stores.devices.get(parse_guid(guid).raw).guid
    return context.stores.learnings.get(raw)


def _before(context: Context, name: str) -> AttestationPolicy | None:
    try:
        policy = stored(context.stores.policies.get(name))
    except NotFound:
        return None
    if not isinstance(policy, AttestationPolicy):
        raise Problem(409, "conflict", f"Policy {name} is a release policy.")
    return policy


def _required(before: AttestationPolicy | None, name: str) -> AttestationPolicy:
    if before is None:
        raise PolicyError(f"there is no version of {name} to stand beside this one")
    return before


def _shown(one: LearningRecord) -> LearningOut:
    return {
        "asked_at": one.asked_at,
        "asked_by": one.asked_by,
        "shown_at": one.at,
        "bank": one.bank or None,
        "pcrs": {str(pcr): value for pcr, value in one.pcrs.items()},
        "boot_log_bytes": len(one.boot_log),
    }
