"""Policies: each in its newest version, one version, and what changed between two."""

from collections.abc import Mapping

from fastapi import Request, Response

from attestation.policy import AttestationPolicy, ReleasePolicy
from onboarding.services.api import cohorts
from onboarding.services.api import policies as api
from onboarding.services.api.answers.policies import PolicyOut
from onboarding.services.api.auth import Ctx
from onboarding.services.api.paging import EVERY
from onboarding.services.api.policies import NamePath, VersionQuery
from onboarding.services.console.changes import changes, members
from onboarding.services.console.guard import Current, allows
from onboarding.services.console.pages import pages_router, render
from onboarding.services.context import Context
from onboarding.services.policy_changes import run_changes

router = pages_router()

MOST = 500  # lines of what may run that a page shows; the API has them all


@router.get("/policies", **allows(*api.READERS))
def policy_list(request: Request, context: Ctx, session: Current) -> Response:
    """Every policy in its newest version, and the cohorts."""
    found = api.list_policies(context, EVERY)["items"]
    known = cohorts.list_cohorts(context, EVERY)["items"]
    return render(request, "policies.html", session, policies=found, cohorts=known)


@router.get("/policies/{name}", **allows(*api.READERS))
def policy_page(
    request: Request,
    name: NamePath,
    context: Ctx,
    session: Current,
    version: VersionQuery = None,
    against: VersionQuery = None,
) -> Response:
    """One version, and what changed since another: the one before, if none is named."""
    shown = api.shown_policy(context, name, version)[0]
    other = against or max(shown["version"] - 1, 1)
    before = api.shown_policy(context, name, other)[0]
    ran = run_changes(context.stores, _policy(context, before), _policy(context, shown))
    return render(
        request,
        "policy.html",
        session,
        policy=shown,
        members=members(_content(shown)),
        other=other,
        changes=changes(_content(before), _content(shown)),
        ran=ran[:MOST],
        more=max(len(ran) - MOST, 0),
    )


def _policy(context: Context, shown: PolicyOut) -> AttestationPolicy | ReleasePolicy:
    return api.stored(context.stores.policies.get(shown["name"], shown["version"]))


def _content(shown: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in shown.items() if name != "versions"}
