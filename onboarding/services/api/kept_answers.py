"""What is kept of an answer, and the seal on it."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.responses import Response

from onboarding.services.errors import Problem
from onboarding.services.transport import Scope
from onboarding.store.errors import StoreUnavailable
from onboarding.store.idempotency import Known

MOST = 1024 * 1024  # bytes of an answer that is kept
REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = (b"content-type", b"etag", b"location")
_NONCE = 12


@dataclass(slots=True)
class Answer:
    """An answer on its way out, as the events that it is made of."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    events: list[Mapping[str, Any]] = field(default_factory=list, repr=False)

    async def take(self, event: Mapping[str, Any]) -> None:
        """Stands where ``send`` does."""
        self.events.append(event)
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {
                name.decode(): value.decode("latin-1")
                for name, value in event["headers"]
                if name in _KEPT_HEADERS
            }
        else:
            self.body += event.get("body", b"")

    @property
    def lasts(self) -> bool:
        """Whether it is kept: a refusal changed nothing, and may be another next."""
        return 200 <= self.status < 300 and len(self.body) <= MOST

    def encode(self) -> bytes:
        """As ``Asked.opened`` reads it."""
        head = json.dumps({"status": self.status, "headers": self.headers})
        return head.encode() + b"\n" + self.body


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may come twice: whose it is, its name, what it asks for."""

    key_id: str
    name: str
    digest: bytes
    at: int
    secret: bytes = field(repr=False)

    @classmethod
    def of(
        cls, scope: Scope, key_id: str, token: str, name: str, body: bytes, now: int
    ) -> Self:
        """The request in ``scope``, made with that key."""
        parts = (
            scope["method"].encode(),
            scope["path"].encode(),
            scope["query_string"],
            body,
        )
        lengths = b"".join(len(part).to_bytes(8) for part in parts)
        digest = hashlib.sha256(lengths + b"".join(parts)).digest()
        info = b"vouchgate kept answer\0" + name.encode()
        # The token is no weak password: 32 random bytes, of which we keep a digest.
        secret = HKDF(SHA256(), 32, digest, info).derive(token.encode("latin-1"))
        return cls(key_id, name, digest, now, secret)

    def sealed(self, answer: bytes) -> bytes:
        """Only who has the API key can read it."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.secret).encrypt(nonce, answer, self.digest)

    def opened(self, known: Known) -> Response:
        """The answer that this request was given before.

        Raises:
            Problem: 409, it is being worked on; 422, the name is another request's.
            StoreUnavailable: What was kept is not what we kept.
        """
        if known.request != self.digest:
            raise Problem(
                422,
                "idempotency-key-reused",
                "Another request was made under this Idempotency-Key.",
                remedy="Take a new one for each request that is not a repetition.",
            )
        if known.answer is None:
            raise Problem(
                409,
                "idempotency-in-progress",
                "The first of these requests is not answered yet.",
                remedy="Send it again in a moment.",
                extra={"retry_after": 1},
            )
        nonce, rest = known.answer[:_NONCE], known.answer[_NONCE:]
        try:
            plain = AESGCM(self.secret).decrypt(nonce, rest, self.digest)
        except InvalidTag as error:
            raise StoreUnavailable("a kept answer was altered") from error
        head, _, body = plain.partition(b"\n")
        said = json.loads(head)
        return Response(body, said["status"], {**said["headers"], REPLAYED: "true"})
