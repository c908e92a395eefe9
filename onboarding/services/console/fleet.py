"""The fleet: how many devices are how far, and which ones."""

from typing import Annotated, Literal

from fastapi import Query, Request, Response

from onboarding.services.api.auth import Ctx, require
from onboarding.services.api.device_view import summaries
from onboarding.services.api.devices import READERS, Words, filter_of
from onboarding.services.api.fields import BytesCursor
from onboarding.services.console.bars import bar
from onboarding.services.console.guard import Current
from onboarding.services.console.pages import pages_router, render, see_other
from onboarding.services.console.query import link
from onboarding.services.health import Health
from onboarding.store.apikeys import Role
from onboarding.store.device_filter import DeviceFilter
from onboarding.store.state import DeviceState

router = pages_router()

PAGE = 50
# A form sends what was left empty, too.
StateChoice = Annotated[DeviceState | Literal[""], Query()]


@router.get("/")
def fleet(
    request: Request,
    context: Ctx,
    session: Current,
    cursor: BytesCursor = None,
    state: StateChoice = "",
    q: Words = "",
) -> Response:
    """Devices by state, with counts; those of one state or that match some words."""
    if session.key.role is Role.MANUFACTURER:
        return see_other("/vouchers")
    require(session.key, *READERS)
    wanted = filter_of(state or None, q)
    return _fleet(request, context, session, cursor, wanted, q)


def _fleet(
    request: Request,
    context: Ctx,
    session: Current,
    cursor: str | None,
    wanted: DeviceFilter,
    q: str,
) -> Response:
    now, devices = context.now(), context.stores.devices
    page = devices.page(now, cursor, PAGE, matching=wanted)
    health: Health = request.app.state.health
    anywhere = DeviceFilter(None, wanted.text, wanted.label)
    counts = devices.counts(now, anywhere) if q else health.devices.get()
    state = None if wanted.state is None else wanted.state.value
    return render(
        request,
        "fleet.html",
        session,
        devices=summaries(context, page.items, now),
        counts=[_count(one, counts[one], q) for one in DeviceState],
        bar=bar({one.value: counts[one] for one in DeviceState}),
        total=sum(counts.values()),
        every=link("/", q=q),
        state=state,
        q=q,
        first=link("/", state=state, q=q) if cursor else None,
        next=link("/", state=state, q=q, cursor=page.cursor) if page.cursor else None,
    )


def _count(state: DeviceState, count: int, q: str) -> dict[str, object]:
    return {
        "state": state.value,
        "count": count,
        "href": link("/", state=state.value, q=q),
    }
