"""How many devices are in each state, from the index of stages."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from onboarding.store.device_filter import FRESH, is_fresh
from onboarding.store.device_tables import UNOWNED, DeviceRow
from onboarding.store.state import DeviceState


def count_states(
    session: Session, now: int, wanted: tuple[ColumnElement[bool], ...]
) -> Mapping[DeviceState, int]:
    """Count the devices of which all of ``wanted`` holds, by their state at ``now``."""
    until = func.coalesce(col(DeviceRow.registered_until), 0)
    marks = (until > now).label("live"), is_fresh(now).label("fresh")
    found = select(col(DeviceRow.stage), *marks).where(*wanted).cte()
    # Apart from the counting, or SQLite reads every row for the sake of its order.
    found = found.prefix_with("MATERIALIZED" if wanted else "NOT MATERIALIZED")
    stage, live, fresh = found.c
    numbers = func.count().filter(live), func.count().filter(fresh), func.count()
    totals = dict.fromkeys(DeviceState, 0)
    for name, living, young, count in session.execute(
        select(stage, *numbers).group_by(stage)
    ):
        if name == UNOWNED:
            totals[DeviceState.REGISTERED] += living
            totals[DeviceState.IMPORTED] += count - living
        elif name in FRESH:
            totals[DeviceState(name)] += young
            totals[DeviceState.STALE] += count - young
        else:
            totals[DeviceState(name)] += count
    return totals
