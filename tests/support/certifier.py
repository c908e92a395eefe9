"""What a certification tool has: every FDO route of a site, and all that it stores.

The application is the real one, from its route to its database; only the socket is
left out. Its clock is the test's.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from onboarding.protocol.step import Finished, Send
from onboarding.services.app import join
from onboarding.services.context import Context, open_context
from onboarding.services.key_store import KeyKind
from onboarding.services.server import PARTS
from onboarding.services.settings import Role
from onboarding.store import apikeys
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.algorithms import SoftSigner
from tests.support.owner_bench import Clock
from tests.support.services import Site

# Where FDO messages leave something for good. Events tell of refusals, too.
_KEPT = ("vouchers", "voucher_history", "devices", "device_guids", "registrations")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the FDO route; ``code`` is there if it is an error."""

    status: int
    type: int
    body: bytes
    token: str | None

    @property
    def error(self) -> ErrorMessage | None:
        """The answer, if it is a message 255."""
        if self.type != MsgType.ERROR:
            return None
        return ErrorMessage.from_cbor(self.body)

    @property
    def code(self) -> int | None:
        return None if self.error is None else int(self.error.code)


@dataclass
class Certifier:
    """All services of one site behind one route."""

    context: Context
    clock: Clock
    directory: Path
    key: str
    _runner: asyncio.Runner
    _http: httpx.AsyncClient

    @property
    def owner(self) -> SoftSigner:
        """The key that vouchers must name to be taken here."""
        return self.context.keyrings[KeyKind.OWNER].first()

    def post(self, number: int, body: bytes, token: str | None = None) -> Answer:
        """Send one FDO message."""
        headers = {"Content-Type": "application/cbor"}
        if token is not None:
            headers["Authorization"] = token
        path = f"/fdo/101/msg/{int(number)}"
        reply = self._send("POST", path, content=body, headers=headers)
        kind = int(reply.headers.get("message-type", "0"))
        given = reply.headers.get("authorization")
        return Answer(reply.status_code, kind, reply.content, given)

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Call the management API."""
        headers = {"X-API-Key": self.key}
        return self._send(method, f"/api/v1{path}", headers=headers, **kwargs)

    def stored(self) -> dict[str, list[tuple[object, ...]]]:
        """Return all that FDO messages have left for good."""
        with closing(sqlite3.connect(self.directory / "all.db")) as database:
            return {
                table: sorted(
                    database.execute(f"SELECT * FROM {table}"),  # noqa: S608
                    key=repr,
                )
                for table in _KEPT
            }

    def _send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **kwargs))


@contextmanager
def certifier(directory: Path) -> Iterator[Certifier]:
    """Open a site whose rendezvous server takes any manufacturer's devices."""
    site, clock = Site(directory), Clock()
    settings = site.settings(
        Role.ALL, background=False, insecure_rendezvous_accept_any=True
    )
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with asyncio.Runner() as runner:
        context = open_context(settings, clock)
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=join(context, PARTS.values())),
            base_url="http://fdo.example.test",
        )
        try:
            found = Certifier(context, clock, directory, key, runner, http)
            directives = [{"dns": "rv.example.test", "protocol": "http"}]
            reply = found.call("PUT", "/rvinfo", json={"directives": directives})
            assert reply.status_code == 200, reply.text
            yield found
        finally:
            runner.run(http.aclose())
            context.close()


@dataclass
class Conversation:
    """A client role that talks to the route, one message after the other."""

    certifier: Certifier
    client: Any
    token: str | None = None

    def __post_init__(self) -> None:
        self.next: Send | Finished[Any] = self.client.start()

    def until(self, kind: MsgType) -> Send:
        """Go on until the next message is one of that type; return it unsent."""
        while isinstance(self.next, Send) and self.next.type is not kind:
            self.send()
        assert isinstance(self.next, Send), f"{kind.name} is never sent"
        return self.next

    def send(self) -> Answer:
        """Send the next message as it is, and take the answer."""
        assert isinstance(self.next, Send)
        answer = self.certifier.post(self.next.type, self.next.body, self.token)
        self.take(answer)
        return answer

    def take(self, answer: Answer) -> None:
        """Hand an answer to the client, and remember the run's token."""
        self.token = self.token or answer.token
        self.next = self.client.receive(MsgType(answer.type), answer.body)

    def finish(self) -> Any:
        """Go on to the end; return the client's result."""
        while isinstance(self.next, Send):
            self.send()
        return self.next.result
