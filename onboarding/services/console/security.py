"""The fleet as a security team looks at it: what is not attested, stalest first."""

from fastapi import Request, Response

from onboarding.services.api import ek_acceptances
from onboarding.services.api import security as api
from onboarding.services.api.auth import Ctx
from onboarding.services.api.fields import TimeCursor
from onboarding.services.api.paging import EVERY
from onboarding.services.console.guard import Current, allows
from onboarding.services.console.pages import pages_router, render
from onboarding.services.console.query import link

router = pages_router()

PAGE = 50


@router.get("/security", **allows(*api.READERS))
def overview(
    request: Request, context: Ctx, session: Current, cursor: TimeCursor = None
) -> Response:
    """What to look at first, and what the rest depends on."""
    found = api.get_overview(request, context)
    stale = api.list_unattested(context, session.key, PAGE, cursor)
    next_page = stale["next"]
    return render(
        request,
        "security.html",
        session,
        overview=found,
        devices=stale["items"],
        acceptances=ek_acceptances.list_acceptances(context, EVERY)["items"],
        first=link("/security") if cursor else None,
        next=link("/security", cursor=next_page) if next_page else None,
    )
