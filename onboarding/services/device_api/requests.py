"""Who asks: challenges given out, signed requests taken in."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Response

from attestation.device_auth import DeviceRequest, Purpose, claimed_request
from attestation.errors import DocumentRefused
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.owned import Owned, OwnedVouchers
from onboarding.store.devices import DeviceRecord
from onboarding.store.errors import NotFound, TokenRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

CHALLENGE = "device-challenge"
CBOR = "application/cbor"
_AGAIN = "Ask for a new challenge and sign the request again."

Fields = Mapping[object, object]


@dataclass(frozen=True, slots=True)
class DeviceCall:
    """A request that its device has really made, once."""

    guid: Guid
    device: DeviceRecord
    owned: Owned = field(repr=False)
    body: Fields = field(repr=False)

    @property
    def actor(self) -> str:
        """How the audit log names the device."""
        return f"device:{self.guid.hex}"

    @property
    def signer(self) -> SoftSigner:
        """The owner's key that the device trusts.

        Raises:
            Problem: 503; it is not here, or is blocked.
        """
        if self.owned.speaker is None:
            raise Problem(
                503,
                "owner-key-missing",
                "The owner key that this device knows is not here, or is blocked.",
            )
        return self.owned.speaker


class DeviceRequests:
    """Gives out challenges and opens the requests signed over them."""

    def __init__(self, context: Context, vouchers: OwnedVouchers) -> None:
        self._context = context
        self._vouchers = vouchers

    def challenge(self, guid: Guid) -> tuple[bytes, int]:
        """Return a challenge for one request of ``guid``, and when it dies.

        Nothing is stored, and whether the device is known is not told.
        """
        now = self._context.now()
        expires = now + self._context.settings.device_challenge_seconds
        sealer = self._context.server_keys.sealer(now)
        return urlsafe_b64decode(sealer.seal(CHALLENGE, guid.raw, expires)), expires

    def open(self, data: bytes, purpose: Purpose) -> DeviceCall:
        """Check signature, device, purpose and challenge; use the challenge up.

        Raises:
            Problem: 401 or 403, says why.
        """
        try:
            claimed = claimed_request(data)
            guid = claimed.guid
            device, owned = self._device(guid)
            request = claimed.proven(owned.device_key, purpose)
        except DocumentRefused as error:
            raise Problem(
                401, error.code.value, error.sentence, remedy=error.remedy
            ) from error
        self._spend(request)
        # The credential from TO2 was seen to work: older ones are served no more.
        self._context.stores.vouchers.confirm(guid.raw)
        return DeviceCall(guid, device, owned, _fields(request.body))

    def _device(self, guid: Guid) -> tuple[DeviceRecord, Owned]:
        try:
            device = self._context.stores.devices.get(guid.raw)
        except NotFound as error:
            raise _stranger() from error
        facts = device.facts
        gone = facts.owned_at is None or facts.retired_at is not None
        owned = self._vouchers.find(guid)
        if gone or device.guid != guid.raw or owned is None:
            raise _stranger()
        return device, owned

    def _spend(self, request: DeviceRequest) -> None:
        now = self._context.now()
        token = urlsafe_b64encode(request.challenge).decode()
        try:
            sealer = self._context.server_keys.sealer(now)
            opened = sealer.open(token, CHALLENGE, now)
        except TokenRefused as error:
            raise Problem(
                401, "challenge-refused", str(error), remedy=_AGAIN
            ) from error
        if not secrets.compare_digest(opened.payload, request.guid.raw):
            raise Problem(
                401,
                "challenge-refused",
                "The challenge was given to another device.",
                remedy=_AGAIN,
            )
        expires = now + self._context.settings.device_challenge_seconds
        if not self._context.stores.runs.spend(opened.id, expires):
            raise Problem(
                401, "challenge-used", "The challenge was used before.", remedy=_AGAIN
            )


def _stranger() -> Problem:
    return Problem(
        401,
        "unknown-device",
        "No device of ours has this GUID now.",
        remedy="Onboard the device; if it was, use the GUID it was given in TO2.",
    )


def _fields(body: bytes) -> Fields:
    if not body:
        return {}
    try:
        return cbor.mapping(cbor.decode(body))
    except VoucherError as error:
        raise Problem(422, "malformed", f"The request's body: {error}") from error


def answer(fields: Mapping[str, object]) -> Response:
    """A CBOR map as the answer."""
    return Response(cbor.encode(dict(fields)), media_type=CBOR)


def take_bytes(fields: Fields, name: str, limit: int) -> bytes:
    """Return a byte string of the request. Raises MalformedError."""
    return cbor.bstr(fields.get(name), limit=limit)


def take_text(fields: Fields, name: str, limit: int) -> str:
    """Return a text of the request. Raises MalformedError."""
    return cbor.tstr(fields.get(name), limit)
