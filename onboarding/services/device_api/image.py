"""The OS image that a device says it runs: the one it was to get ends its update."""

import hmac

from onboarding.services.context import Context
from onboarding.services.device_api.requests import DeviceCall
from onboarding.services.holding import Held
from onboarding.store.update_windows import REPORTED
from ownership_vouchers import cbor

IMAGE_SIZE = 32  # SHA-256


def image_reported(context: Context, call: DeviceCall, held: Held) -> bool:
    """Close the device's update window, if it reports the image it was to get.

    Raises:
        MalformedError: ``image`` is no byte string of at most 32 bytes.
    """
    update = held.update
    image = cbor.bstr(call.body.get("image", b""), limit=IMAGE_SIZE)
    if update is None or not hmac.compare_digest(image, update.image):
        return False
    windows, now = context.stores.update_windows, context.now()
    return windows.close(call.guid.raw, REPORTED, call.actor, now)
