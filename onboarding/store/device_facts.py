"""A device's facts in plain SQL, for changes that come with each message."""

from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import NotFound
from onboarding.store.state import DeviceFacts

_LOCKED = Sql(
    "SELECT registered_until, owned_at, bound_at, enrolled_at, appraised_at, "
    "appraisal_passed, lease_expires, released_at, withdrawn_at, retired_at "
    "FROM devices WHERE guid = ?",
    " FOR UPDATE",
)
_APPRAISED = Sql(
    "UPDATE devices SET appraised_at = ?, appraisal_passed = ?, lease_expires = ? "
    "WHERE guid = ?"
)


def locked(connection: Connection, guid: bytes) -> DeviceFacts:
    """What is known of the device whose GUID is ``guid`` now, locked for a change.

    Raises:
        NotFound: There is none.
    """
    rows = connection.rows(_LOCKED, (guid,))
    if not rows:
        raise NotFound(f"there is no device with GUID {guid.hex()}")
    until, owned, bound, enrolled, appraised, passed, *rest = rows[0]
    lease, released, withdrawn, retired = rest
    first = until, owned, bound, enrolled, appraised
    return DeviceFacts(*first, bool(passed), lease, released, withdrawn, retired)


def appraised(connection: Connection, guid: bytes, facts: DeviceFacts) -> None:
    """Write what an appraisal has made of the facts."""
    values = facts.appraised_at, int(facts.appraisal_passed), facts.lease_expires
    connection.count(_APPRAISED, (*values, guid))
