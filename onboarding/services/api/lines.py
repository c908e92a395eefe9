"""Production lines, and the stations that may speak for them."""

from typing import Annotated, cast

from fastapi import Path, Response

from onboarding.services.api.answers.factory import (
    LineOut,
    LineWholeOut,
    NewStationOut,
    StationOut,
)
from onboarding.services.api.answers.kinds import Listed, listed
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.conditions import (
    Conditions,
    When,
    answered,
    record_tag,
    tag_of,
)
from onboarding.services.api.fields import Body, Limit, NameCursor, Text
from onboarding.services.api.keys import require_key
from onboarding.services.api.paging import paged
from onboarding.services.api.routing import api_router
from onboarding.services.api.tagged import Tagged
from onboarding.services.api.within import Reach
from onboarding.services.key_store import KeyKind
from onboarding.services.lines import NAME, LineDocument, read_line
from onboarding.store.apikeys import Role
from onboarding.store.lines import LineRecord, Station

router = api_router("lines")

LinePath = Annotated[str, Path(pattern=NAME)]
StationPath = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class StationIn(Body):
    """What the station is called in the audit log."""

    name: Text


@router.get("/lines", **needs(Role.MANUFACTURER, Role.SECURITY, lines=Reach.OWN))
def list_lines(
    context: Ctx, caller: Caller, limit: Limit = 100, cursor: NameCursor = None
) -> Listed[LineOut]:
    """Every line that was set up, without its stations."""
    within, known = caller.limits.lines, context.stores.lines.list()
    found = (one for one in known if not within or one.name in within)
    return listed(paged(found, lambda one: one.name, cursor, limit), _shown)


@router.get(
    "/lines/{name}", **needs(Role.MANUFACTURER, Role.SECURITY, lines=Reach.NAMED)
)
def get_line(name: LinePath, context: Ctx) -> Tagged[LineWholeOut]:
    """A line and its stations; keys of stations are not kept, so not shown.

    The ETag is that of the line without its stations.
    """
    record = context.stores.lines.get(name)
    stations = [_station(one) for one in context.stores.lines.stations(name)]
    shown = _shown(record)
    return answered({**shown, "stations": stations}, tag_of(shown))


@router.put("/lines/{name}", **needs(Role.MANUFACTURER, lines=Reach.NAMED))
def put_line(
    name: LinePath, body: LineDocument, context: Ctx, caller: Caller, when: When
) -> Tagged[LineOut]:
    """Set a line up, or change it, for devices made from now on."""
    for kind, key in (
        (KeyKind.DEVICE_CA, body.device_ca),
        (KeyKind.MANUFACTURER, body.manufacturer_key),
    ):
        if key is not None:
            require_key(context, kind, key, 409)
    lines, now = context.stores.lines, context.now()
    expected = _expected(lines.find(name), when)
    with when.held():
        done = _shown(lines.put(name, body.encode(), actor(caller), now, expected))
    return answered(done, tag_of(done))


@router.delete(
    "/lines/{name}", status_code=204, **needs(Role.MANUFACTURER, lines=Reach.NAMED)
)
def delete_line(name: LinePath, context: Ctx, caller: Caller, when: When) -> Response:
    """Take a line away and dismiss its stations; what it made stays on record."""
    lines, now = context.stores.lines, context.now()
    expected = _expected(lines.find(name), when)
    with when.held():
        lines.delete(name, actor(caller), now, expected)
    return Response(status_code=204)


@router.post(
    "/lines/{name}/stations",
    status_code=201,
    **needs(Role.MANUFACTURER, lines=Reach.NAMED),
)
def post_station(
    name: LinePath, body: StationIn, context: Ctx, caller: Caller
) -> NewStationOut:
    """Give a station a key of its own for this line, which is shown now only."""
    who, now = actor(caller), context.now()
    made, key = context.stores.lines.hire(name, body.name, who, now)
    return {"id": made, "line": name, "name": body.name, "key": key}


@router.delete(
    "/lines/{name}/stations/{station}",
    status_code=204,
    **needs(Role.MANUFACTURER, lines=Reach.NAMED),
)
def delete_station(
    name: LinePath, station: StationPath, context: Ctx, caller: Caller, when: When
) -> Response:
    """Dismiss a station: its key is refused from now on.

    Nothing else can change of a station, so what was seen of a live one holds.
    """
    lines = context.stores.lines
    for one in lines.stations(name):
        if one.id == station:
            when.require(record_tag(one))
    lines.dismiss(name, station, actor(caller), context.now())
    return Response(status_code=204)


def _expected(record: LineRecord | None, when: Conditions) -> int | None:
    """The version that a change is to meet; None if any will do. Raises Problem."""
    seen = when.seen(record, tag_of(record and _shown(record)))
    if seen is None:
        return None
    return 0 if seen.value is None else seen.value.version


def _shown(record: LineRecord) -> LineOut:
    said = {
        "name": record.name,
        "version": record.version,
        **read_line(record).document.model_dump(mode="json"),
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
    }
    return cast(LineOut, said)


def _station(one: Station) -> StationOut:
    return {
        "id": one.id,
        "name": one.name,
        "created_at": one.created_at,
        "created_by": one.created_by,
        "revoked_at": one.revoked_at,
        "etag": record_tag(one),
    }
