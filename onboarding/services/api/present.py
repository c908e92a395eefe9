"""Which device a path names."""

from onboarding.services.api.fields import parse_guid
from onboarding.services.context import Context


def present(context: Context, guid: str) -> bytes:
    """The GUID that a device has now, whichever of its GUIDs was named.

    Raises:
        Problem: 422; no GUID.
        NotFound: There is no such device.
    """
    return context.stores.devices.get(parse_guid(guid).raw).guid
