"""What an owned device asks of its owner, each request signed by the device key.

A request is a document over a challenge that the owner hands out once.
"""

import base64
import binascii
import json

import httpx

from attestation.device_auth import DeviceRequest, Purpose, sign_request
from hw.keys import DeviceKey
from onboarding.device.errors import Unreachable
from onboarding.device.http import DeviceApi
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid

COSE = "application/cose"
MAX_ANSWER = 32 * 1024 * 1024


class OwnerApi:
    """The owner's device API, as one device."""

    def __init__(
        self, client: httpx.Client, base: str, guid: Guid, key: DeviceKey
    ) -> None:
        self._api = DeviceApi(client, base)
        self._guid = guid
        self._key = key

    @property
    def guid(self) -> Guid:
        return self._guid

    def ask(
        self, path: str, fields: dict[str, object], seconds: float | None = None
    ) -> dict[object, object]:
        """Send ``fields`` to ``path`` and return the answer's map.

        Args:
            seconds: How long the owner may take to answer; None for the usual time.

        Raises:
            Problem: The owner refused, and says why.
            Unreachable: No answer, or none that can be read.
        """
        request = DeviceRequest(
            self._challenge(),
            self._guid,
            Purpose(path.split("/", 1)[0]),
            cbor.encode(fields),
        )
        signed = sign_request(request, self._key)
        reply = self._api.post(path, signed, COSE, seconds)
        try:
            return cbor.mapping(cbor.decode(reply.body))
        except MalformedError as error:
            raise Unreachable(f"the owner's answer to {path} is unreadable") from error

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> "ForwardedReply":
        """Make one of Keylime's own calls through the owner's proxy."""
        reply = self._api.send(method, f"keylime{path}", headers, body)
        return ForwardedReply(reply.status, reply.headers, reply.body)

    def _challenge(self) -> bytes:
        body = json.dumps({"guid": str(self._guid)}).encode()
        reply = self._api.post("challenge", body, "application/json")
        try:
            text = str(json.loads(reply.body)["challenge"])
            padded = text + "=" * (-len(text) % 4)
            return base64.b64decode(padded, altchars=b"-_", validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise Unreachable("the owner's challenge is unreadable") from error


class ForwardedReply:
    """An answer of Keylime's, as its push agent wants to see it."""

    def __init__(self, status: int, headers: httpx.Headers, content: bytes) -> None:
        self.status_code = status
        self.headers = headers
        self.content = content


def text_field(answer: dict[object, object], name: str, limit: int = 1024) -> str:
    """Return a text of the owner's answer. Raises Unreachable."""
    try:
        return cbor.tstr(answer.get(name), limit)
    except MalformedError as error:
        raise Unreachable(f"the owner's answer has no {name}") from error


def bytes_field(answer: dict[object, object], name: str) -> bytes:
    """Return a byte string of the owner's answer. Raises Unreachable."""
    try:
        return cbor.bstr(answer.get(name), limit=MAX_ANSWER)
    except MalformedError as error:
        raise Unreachable(f"the owner's answer has no {name}") from error
