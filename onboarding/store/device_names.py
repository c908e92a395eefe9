"""What belongs to a device names the device for good; callers know its GUID."""

from onboarding.store.direct import Sql

_NAME = "(SELECT named.device FROM devices named WHERE named.guid = ?)"


def by_guid(text: str, postgres_suffix: str = "") -> Sql:
    """Return a statement whose ``@device`` is a parameter: the GUID a device has now.

    Where no device has that GUID it is NULL, which no row is named by.
    """
    return Sql(text.replace("@device", _NAME), postgres_suffix)
