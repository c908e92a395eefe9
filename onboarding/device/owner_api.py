"""What an owned device asks of its owner, each request signed by the device key.

A request is a document over a challenge that the owner hands out once: with its last
answer, or by itself. One that has lived too long meanwhile is asked for anew.
"""

import base64
import binascii
import json
import time

import httpx

from attestation.device_auth import DeviceRequest, Purpose, sign_request
from hw.keys import DeviceKey
from onboarding.device.errors import Problem, Unreachable
from onboarding.device.http import DeviceApi
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid

COSE = "application/cose"
MAX_ANSWER = 32 * 1024 * 1024
_LONGEST = 1024  # bytes of a challenge
_FRESH_SECONDS = 20.0  # it lives for a minute, where its owner has set nothing else
_OUT_OF_DATE = frozenset({"challenge-refused", "challenge-used"})


class OwnerApi:
    """The owner's device API, as one device."""

    def __init__(
        self, client: httpx.Client, base: str, guid: Guid, key: DeviceKey
    ) -> None:
        self._api = DeviceApi(client, base)
        self._guid = guid
        self._key = key
        self._given, self._given_at = b"", 0.0  # the challenge of the last answer

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
        given, self._given = self._given, b""
        if given and time.monotonic() - self._given_at < _FRESH_SECONDS:
            try:
                return self._send(given, path, fields, seconds)
            except Problem as problem:
                if problem.code not in _OUT_OF_DATE:
                    raise
        return self._send(self._challenge(), path, fields, seconds)

    def _send(
        self,
        challenge: bytes,
        path: str,
        fields: dict[str, object],
        seconds: float | None,
    ) -> dict[object, object]:
        purpose = Purpose(path.split("/", 1)[0])
        body = cbor.encode(fields)
        request = DeviceRequest(challenge, self._guid, purpose, body)
        signed = sign_request(request, self._key)
        reply = self._api.post(path, signed, COSE, seconds)
        try:
            said = dict(cbor.mapping(cbor.decode(reply.body)))
            self._given = cbor.bstr(said.pop("next_challenge", b""), limit=_LONGEST)
            self._given_at = time.monotonic()
        except MalformedError as error:
            raise Unreachable(f"the owner's answer to {path} is unreadable") from error
        return said

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
