"""What a device is held to and judged by, in one look: asked with each attestation.

As separate looks these are seven, each of its own moment.
"""

from dataclasses import dataclass

from onboarding.store import assignments, bindings, devices, update_windows
from onboarding.store.assignments import AssignmentRecord
from onboarding.store.bindings import BindingRecord
from onboarding.store.database import Database
from onboarding.store.devices import DeviceRecord
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import NotFound
from onboarding.store.update_windows import UpdateWindowRecord

_PARTS = (devices, assignments, bindings, update_windows)
_SIZES = tuple(part.COLUMNS.count(",") + 1 for part in _PARTS)
_GET = Sql(
    f"SELECT {', '.join(part.COLUMNS for part in _PARTS)}, "  # noqa: S608 - our own names
    "EXISTS (SELECT 1 FROM ek_refusals r WHERE r.digest = b.ek_digest), "
    "EXISTS (SELECT 1 FROM learnings l WHERE l.device = d.device AND l.at IS NULL) "
    f"{devices.NAMED}"
    "LEFT JOIN assignments a ON a.device = d.device "
    "LEFT JOIN bindings b ON b.device = d.device "
    "LEFT JOIN update_windows w ON w.device = d.device WHERE g.guid = ?"
)


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """A device with all that stands beside it; what there is none of is None.

    ``refused``: people refuse the EK that is bound. ``learning``: the device was asked
    to show what it is, and has not yet.
    """

    device: DeviceRecord
    assignment: AssignmentRecord | None
    binding: BindingRecord | None
    window: UpdateWindowRecord | None
    refused: bool
    learning: bool


class StandingStore:
    """Reads what the stores of those records have written."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def get(self, guid: bytes) -> StandingRecord:
        """Of the device that has, or had, this GUID.

        Raises:
            NotFound: No device ever did.
        """
        row = self._direct.one(_GET, (guid,))
        if row is None:
            raise NotFound(f"there is no device with GUID {guid.hex()}")
        device, assigned, bound, window = _cut(row)
        now = device[:1]  # the GUID that it has
        return StandingRecord(
            devices.of_row(device),
            AssignmentRecord(*now, *assigned) if any(assigned) else None,
            bindings.of_row((*now, *bound)) if any(bound) else None,
            UpdateWindowRecord(*now, *window) if any(window) else None,
            *map(bool, row[-2:]),
        )


def _cut(row: Row) -> list[Row]:
    """The columns of each part; all of them None where it has no row."""
    parts, begin = [], 0
    for size in _SIZES:
        parts.append(row[begin : begin + size])
        begin += size
    return parts
