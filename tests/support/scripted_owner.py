"""An owner's device API that says whatever a test wants, to a real device.

It checks each request as the real one does: signature, purpose, fresh challenge.
"""

import base64
import json
import secrets
from dataclasses import dataclass, field

import httpx

from attestation.device_auth import Purpose, open_request
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.types import Guid


@dataclass
class ScriptedOwner:
    """Answers ``workload`` as told, and keeps the reports it is sent."""

    device_key: VerifyKey
    guid: Guid
    answer: dict[str, object]
    asked: list[dict[object, object]] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    challenges: list[bytes] = field(default_factory=list)
    fail_reports: bool = False
    refusal: dict[str, object] | None = None

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.handle))

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/device/v1/")
        if path == "challenge":
            # Every length a base64 text can be short of a whole number of fours.
            size = 24 + len(self.challenges) % 3
            self.challenges.append(secrets.token_bytes(size))
            text = base64.urlsafe_b64encode(self.challenges[-1]).rstrip(b"=").decode()
            return httpx.Response(200, content=json.dumps({"challenge": text}))
        purpose = Purpose(path)
        opened = open_request(request.content, self.device_key, purpose, self.guid)
        assert opened.challenge == self.challenges[-1]
        body = cbor.mapping(cbor.decode(opened.body))
        if path == "report":
            return self._report(body)
        self.asked.append(body)
        if self.refusal is not None:
            return httpx.Response(403, content=json.dumps(self.refusal))
        return httpx.Response(200, content=cbor.encode(self.answer))

    def _report(self, body: dict[object, object]) -> httpx.Response:
        if self.fail_reports:
            return httpx.Response(503, content=b"{}")
        self.reports.append(cbor.bstr(body["report"]))
        return httpx.Response(200, content=cbor.encode({"state": "released"}))
