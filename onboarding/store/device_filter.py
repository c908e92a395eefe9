"""Which devices a list shows, as conditions of SQL: by state, by words, by label."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, exists, func, literal, not_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col, select

from attestation.documents import CLOCK_SKEW
from onboarding.store.device_tables import UNOWNED, DeviceGuidRow, DeviceRow
from onboarding.store.state import DeviceState

GUID_SIZE = 16
Labels = tuple[tuple[str, str], ...]
FRESH = (DeviceState.ATTESTED.value, DeviceState.RELEASED.value)  # until the lease ends
_STAGE = col(DeviceRow.stage)


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
            yield in_state(self.state, now)
        if self.text:
            yield _says(self.text)
        if self.label is not None:
            yield labelled(*self.label)
        yield from all_labelled(self.within)


def in_state(state: DeviceState, now: int) -> ColumnElement[bool]:
    """Whether a row's facts amount to that state at ``now``: ``state_of``, in SQL.

    The two are held against each other by a test over every mixture of facts.
    """
    fresh = is_fresh(now)
    match state:
        case DeviceState.REGISTERED:
            return and_(_STAGE == UNOWNED, col(DeviceRow.registered_until) > now)
        case DeviceState.IMPORTED:
            until = func.coalesce(col(DeviceRow.registered_until), 0)
            return and_(_STAGE == UNOWNED, until <= now)
        case DeviceState.STALE:
            return and_(_STAGE.in_(FRESH), not_(fresh))
        case DeviceState.ATTESTED | DeviceState.RELEASED:
            return and_(_STAGE == state.value, fresh)
        case _:
            return _STAGE == state.value


def is_fresh(now: int) -> ColumnElement[bool]:
    """Whether the last appraisal passed, is young enough, and nothing was withdrawn."""
    leased = func.coalesce(col(DeviceRow.lease_expires), -1) >= now
    young = col(DeviceRow.appraised_at) <= now + CLOCK_SKEW
    return and_(_STAGE.in_(FRESH), leased, young)


class _Says(FunctionElement[bool]):
    """Whether a device's words have a pattern of LIKE somewhere, in whatever case."""

    type = Boolean()
    inherit_cache = True


@compiles(_Says, "sqlite")
def _says_sqlite(element: _Says, compiler: SQLCompiler, **more: Any) -> str:
    """LIKE as it is there: the case of ASCII letters does not count."""
    pattern, _, *named = (compiler.process(one, **more) for one in element.clauses)
    return " OR ".join(f"{one} LIKE {pattern} ESCAPE '/'" for one in named).join("()")


@compiles(_Says, "postgresql")
def _says_postgresql(element: _Says, compiler: SQLCompiler, **more: Any) -> str:
    """By the table of words, in lower case, which triggers keep (migration 0033)."""
    pattern, device, *_ = (compiler.process(one, **more) for one in element.clauses)
    words = f"words LIKE lower({pattern}) ESCAPE '/'"
    return f"({device} IN (SELECT device FROM device_words WHERE {words}))"  # noqa: S608 - names and a place for a parameter


def _says(text: str) -> ColumnElement[bool]:
    plain = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    device = col(DeviceRow.device)
    named = (col(DeviceRow.serial), col(DeviceRow.device_info), col(DeviceRow.profile))
    found: list[ColumnElement[bool]] = [_Says(literal(f"%{plain}%"), device, *named)]
    span = _guid_span(text)
    if span is not None:
        known = select(DeviceGuidRow.device).where(
            col(DeviceGuidRow.guid).between(*span)
        )
        found.append(device.in_(known))
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
                col(DeviceRow.device) == col(DeviceGuidRow.device),
                *all_labelled(labels),
            )
            .correlate_except(DeviceGuidRow, DeviceRow)
        )
