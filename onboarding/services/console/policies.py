"""Policies: each in its newest version, one version, and what changed between two."""

from fastapi import Request, Response

from onboarding.services.api import cohorts
from onboarding.services.api import policies as api
from onboarding.services.api.auth import Ctx
from onboarding.services.api.policies import NamePath, VersionQuery
from onboarding.services.console.changes import changes, members
from onboarding.services.console.guard import Current, allows
from onboarding.services.console.pages import pages_router, render

router = pages_router()


@router.get("/policies", **allows(*api.READERS))
def policy_list(request: Request, context: Ctx, session: Current) -> Response:
    """Every policy in its newest version, and the cohorts."""
    found = api.list_policies(context)["items"]
    known = cohorts.list_cohorts(context)["items"]
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
    return render(
        request,
        "policy.html",
        session,
        policy=shown,
        members=members(_content(shown)),
        other=other,
        changes=changes(_content(before), _content(shown)),
    )


def _content(shown: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in shown.items() if name != "versions"}
