"""The audit log: what happened, newest first, and up to where it is signed for."""

from typing import Annotated

from fastapi import Query, Request, Response

from onboarding.services.api import audit, events
from onboarding.services.api.auth import Ctx
from onboarding.services.api.fields import GuidPath, NumberCursor
from onboarding.services.console.guard import Current, allows, takes_form
from onboarding.services.console.pages import HEADERS, pages_router, render, see_other
from onboarding.services.console.query import link
from onboarding.store.apikeys import Role

router = pages_router()

PAGE = 50
Cause = Annotated[str, Query(pattern=r"^[a-z_.-]{0,64}$")]
OfDevice = Annotated[str, Query(max_length=64)]


@router.get("/audit", **allows(Role.SECURITY))
def audit_log(
    request: Request,
    context: Ctx,
    session: Current,
    cursor: NumberCursor = None,
    cause: Cause = "",
    guid: OfDevice = "",
) -> Response:
    """Events, newest first; of one device, or whose cause begins so."""
    device = guid.strip() or None
    found = events.list_events(
        context, session.key, PAGE, cursor, cause or None, device
    )
    asked = {"cause": cause, "guid": guid}
    more = link("/audit", cursor=found["next"], **asked) if found["next"] else None
    return render(
        request,
        "audit.html",
        session,
        events=found["items"],
        checkpoints=audit.list_checkpoints(context, 5, None)["items"],
        cause=cause,
        guid=guid,
        first=link("/audit", **asked) if cursor else None,
        next=more,
    )


@router.post("/audit/checkpoints", **takes_form(Role.SECURITY))
def sign(context: Ctx, session: Current) -> Response:
    """Sign where the log stands now."""
    audit.make_checkpoint(context)
    return see_other("/audit")


@router.get("/audit/checkpoints/latest", **allows(Role.SECURITY))
def checkpoint_file(context: Ctx, session: Current) -> Response:
    """The newest checkpoint, to be kept elsewhere."""
    return _file(audit.latest_checkpoint(context), "checkpoint.cose")


@router.get("/devices/{guid}/evidence-pack", **allows(Role.SECURITY))
def evidence_file(guid: GuidPath, context: Ctx, session: Current) -> Response:
    """What happened to a device, as one signed file."""
    return _file(audit.evidence_pack(guid, context), f"{guid}.evidence.cose")


def _file(answer: Response, name: str) -> Response:
    answer.headers.update(HEADERS)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
