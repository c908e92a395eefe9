"""What is remembered of runs: reading it, and forgetting it."""

from typing import Annotated

from fastapi import Query

from onboarding.services.api.answers.diagnosis import (
    ForgottenOut,
    SightingOut,
    StepOut,
    TraceOut,
)
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Ctx, needs
from onboarding.services.api.fields import (
    Limit,
    TimeCursor,
    guid_text,
)
from onboarding.services.api.routing import api_router
from onboarding.services.diagnosis.facts import name_of
from onboarding.store.apikeys import Role
from onboarding.store.traces import Sighting, Trace

router = api_router("diagnosis")

READERS = (Role.MANUFACTURER, Role.OPERATOR, Role.SECURITY)
Before = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/traces", **needs(*READERS))
def list_traces(
    context: Ctx, limit: Limit = 100, cursor: TimeCursor = None
) -> Listed[TraceOut]:
    """Runs of DI, TO0, TO1 and TO2, as far as each came, newest first."""
    context.tracer.flush()
    page = context.stores.traces.page(cursor, limit)
    return listed(page, shown_trace)


@router.delete("/traces", **needs(Role.OPERATOR))
def forget_traces(context: Ctx, before: Before) -> ForgottenOut:
    """Forget runs, and GUIDs asked for in vain, not heard of since ``before``."""
    return {"forgotten": context.stores.traces.forget(before)}


@router.get("/sightings", **needs(*READERS))
def list_sightings(
    context: Ctx, limit: Limit = 100, cursor: TimeCursor = None
) -> Listed[SightingOut]:
    """GUIDs that devices asked for and nothing is known of, the last first."""
    context.tracer.flush()
    page = context.stores.traces.sightings(cursor, limit)
    return listed(page, shown_sighting)


def shown_trace(one: Trace) -> TraceOut:
    """One run; its steps in order, alike ones in a row as one."""
    return {
        "run": one.run.hex(),
        "version": one.version,
        "protocol": one.protocol,
        "guid": guid_text(one.guid),
        "serial": one.serial or None,
        "started": one.started,
        "updated": one.updated,
        "messages": one.messages,
        "done": one.done,
        "proven": one.proven,
        "passed": one.passed,
        "passed_name": name_of(one.passed),
        "refused": one.refused,
        "refused_name": name_of(one.refused),
        "code": one.code,
        "error": one.error or None,
        "told_by": None if one.code is None else "peer" if one.by_peer else "us",
        "steps": _steps(one.steps),
    }


def _steps(text: str) -> list[StepOut]:
    """In order of time: replicas that share a run write their parts in any."""
    found = [_step(one) for one in text.split(";") if one]
    return sorted(found, key=lambda one: int(one["at"]))


def _step(text: str) -> StepOut:
    message, at, times, code = (int(part) for part in text.split(","))
    return {"message": message, "at": at, "times": times, "code": code or None}


def shown_sighting(one: Sighting) -> SightingOut:
    """A GUID, and who asked for it in vain: devices by 30 or 60."""
    return {
        "guid": guid_text(one.guid),
        "message": one.message,
        "count": one.count,
        "first_at": one.first_at,
        "last_at": one.last_at,
    }
