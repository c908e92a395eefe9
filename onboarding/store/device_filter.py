"""Which devices a list shows, as conditions of SQL: by state, by words, by label."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_
from sqlmodel import col, select

from attestation.documents import CLOCK_SKEW
from onboarding.store.state import DeviceState
from onboarding.store.tables import DeviceGuidRow, DeviceRow

GUID_SIZE = 16
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Those in ``state``, that have ``text`` somewhere, and the label; None is any.

    ``text`` is looked for in serial number, device info and profile; or it is how a
    GUID begins that the device has or had, in hex with or without dashes. ``label``
    is a name and a value; ``within`` are more of them, which a caller is limited to.
    """

    state: DeviceState | None = None
    text: str = ""
    label: tuple[str, str] | None = None
    within: Labels = ()

    def conditions(self, now: int) -> Iterator[ColumnElement[bool]]:
        """Yield what all has to hold of a device's row at ``now``."""
        if self.state is not None:
            yield state_column(now) == self.state.value
        if self.text:
            yield _says(self.text)
        if self.label is not None:
            yield labelled(*self.label)
        yield from all_labelled(self.within)


def state_column(now: int) -> ColumnElement[str]:
    """The state that a row's facts amount to at ``now``: ``state_of``, in SQL.

    The two are held against each other by a test over every mixture of facts.
    """
    row = DeviceRow
    unowned, live = col(row.owned_at).is_(None), col(row.registered_until) > now
    lapsed = or_(
        col(row.lease_expires).is_(None),
        col(row.lease_expires) < now,
        col(row.appraised_at) > now + CLOCK_SKEW,
    )
    rules: tuple[tuple[ColumnElement[bool], DeviceState], ...] = (
        (col(row.retired_at).is_not(None), DeviceState.RETIRED),
        (and_(unowned, live), DeviceState.REGISTERED),
        (unowned, DeviceState.IMPORTED),
        (col(row.withdrawn_at).is_not(None), DeviceState.WITHDRAWN),
        (col(row.bound_at).is_(None), DeviceState.OWNED),
        (col(row.enrolled_at).is_(None), DeviceState.BOUND),
        (col(row.appraised_at).is_(None), DeviceState.ATTESTING),
        (col(row.appraisal_passed) == 0, DeviceState.FAILED),
        (lapsed, DeviceState.STALE),
        (col(row.released_at).is_(None), DeviceState.ATTESTED),
    )
    whens = [(condition, literal(state.value)) for condition, state in rules]
    return case(*whens, else_=literal(DeviceState.RELEASED.value))


def _says(text: str) -> ColumnElement[bool]:
    named = (DeviceRow.serial, DeviceRow.device_info, DeviceRow.profile)
    found = [col(column).icontains(text, autoescape=True) for column in named]
    span = _guid_span(text)
    if span is not None:
        known = select(DeviceGuidRow.device).where(
            col(DeviceGuidRow.guid).between(*span)
        )
        found.append(col(DeviceRow.guid).in_(known))
    return or_(*found)


def _guid_span(text: str) -> tuple[bytes, bytes] | None:
    """The first and the last GUID that begin so; None if none does."""
    digits = text.replace("-", "")
    if not 2 <= len(digits) <= 2 * GUID_SIZE:
        return None
    try:
        return (
            bytes.fromhex(digits.ljust(2 * GUID_SIZE, "0")),
            bytes.fromhex(digits.ljust(2 * GUID_SIZE, "f")),
        )
    except ValueError:
        return None


def labelled(name: str, value: str) -> ColumnElement[bool]:
    """Labels are JSON as ``json.dumps`` writes it, so one of them is a piece of it.

    A quote in a name or value has a backslash before it there, so no other piece is
    the same. Compared byte for byte, as LIKE does not on SQLite.
    """
    pair = json.dumps({name: value})[1:-1]
    labels = col(DeviceRow.labels)
    return func.replace(labels, pair, "") != labels


def all_labelled(labels: Labels) -> Iterator[ColumnElement[bool]]:
    """Yield what holds of a device's row that has all of them."""
    return (labelled(*one) for one in labels)


def of_labelled(guid: Any, labels: Labels) -> Iterator[ColumnElement[bool]]:
    """Yield, if there are labels, that ``guid`` is or was of a device with them.

    Args:
        guid: A column with a device's present or former GUID.
    """
    if labels:
        yield (
            exists()
            .where(
                col(DeviceGuidRow.guid) == guid,
                col(DeviceRow.guid) == col(DeviceGuidRow.device),
                *all_labelled(labels),
            )
            .correlate_except(DeviceGuidRow, DeviceRow)
        )
