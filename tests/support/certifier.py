"""What a certification tool has: every FDO route of a site, and all that it stores.

The application is the real one, from its route to its database; only the socket is
left out. Its clock is the test's.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from onboarding.protocol.step import Finished, Send
from onboarding.services.app import PartFactory, join
from onboarding.services.context import Context, open_context
from onboarding.services.key_store import KeyKind
from onboarding.services.server import parts_of
from onboarding.services.settings import Role
from onboarding.store import apikeys
from onboarding.store.direct import Row, Sql
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.algorithms import SoftSigner
from tests.support.databases import NewDatabase
from tests.support.owner_bench import Clock
from tests.support.profiles import P256, Profile
from tests.support.services import Site

# Where FDO messages leave something for good. Events tell of refusals, too.
_KEPT = ("vouchers", "voucher_history", "devices", "device_guids", "registrations")
_ALL_OF = {table: Sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in _KEPT}  # noqa: S608 - our own tables

RENDEZVOUS = {
    "ip": "192.0.2.1",
    "device_port": 8040,
    "owner_port": 8040,
    "protocol": "http",
}


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
    _made: Callable[[], httpx.AsyncClient]
    owner_pem: str  # the certificate of the owner's key
    profile: Profile = P256
    replica: int = 0  # which of two is asked
    _open: dict[int, httpx.AsyncClient] = field(default_factory=dict)

    def _at(self, replica: int) -> httpx.AsyncClient:
        """The client of a replica, which starts when it is first asked."""
        if replica not in self._open:
            self._open[replica] = self._made()
        return self._open[replica]

    def close(self) -> None:
        """End all that has started."""
        for http in self._open.values():
            self._runner.run(http.aclose())
        self.context.close()

    @property
    def owner(self) -> SoftSigner:
        """The key that vouchers must name to be taken here."""
        return self.context.keyrings[KeyKind.OWNER].first()

    def post(
        self, number: int, body: bytes, token: str | None = None, version: int = 101
    ) -> Answer:
        """Send one FDO message."""
        return self._runner.run(self._post(number, body, token, None, version))

    def post_twice(
        self, number: int, body: bytes, token: str | None = None
    ) -> tuple[Answer, Answer]:
        """Send one message and a copy of it at once, each to another replica."""

        async def both() -> tuple[Answer, Answer]:
            copies = [self._post(number, body, token, other) for other in (0, 1)]
            first, second = await asyncio.gather(*copies)
            return first, second

        return self._runner.run(both())

    async def _post(
        self,
        number: int,
        body: bytes,
        token: str | None,
        replica: int | None = None,
        version: int = 101,
    ) -> Answer:
        headers = {"Content-Type": "application/cbor"}
        if token is not None:
            headers["Authorization"] = token
        http = self._at(self.replica if replica is None else replica)
        path = f"/fdo/{version}/msg/{int(number)}"
        reply = await http.post(path, content=body, headers=headers)
        kind = int(reply.headers.get("message-type", "0"))
        given = reply.headers.get("authorization")
        return Answer(reply.status_code, kind, reply.content, given)

    def forward(self, request: httpx.Request) -> httpx.Response:
        """Take a request that a client of another kind has made."""
        http, kept = self._at(self.replica), request.headers
        headers = {name: kept[name] for name in ("authorization",) if name in kept}
        sent = http.request(
            request.method, request.url.path, content=request.read(), headers=headers
        )
        return self._runner.run(sent)

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Call the management API."""
        headers = {"X-API-Key": self.key}
        http = self._at(self.replica)
        return self._runner.run(
            http.request(method, f"/api/v1{path}", headers=headers, **kwargs)
        )

    def stored(self) -> dict[str, Sequence[Row]]:
        """Return all that FDO messages have left for good, in the order of its rows."""
        database = self.context.database.direct
        return {table: database.rows(_ALL_OF[table]) for table in _KEPT}


@contextmanager
def certifier(
    directory: Path,
    databases: NewDatabase,
    *also: PartFactory,
    profile: Profile = P256,
) -> Iterator[Certifier]:
    """Open a site of two replicas that takes any manufacturer's devices.

    ``also`` are parts beside those that every site has; ``profile`` says what keys it
    has.
    """
    site, clock = Site(directory, profile.algorithm, databases=databases), Clock()
    settings = site.settings(
        Role.ALL, background=False, insecure_rendezvous_accept_any=True
    )
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with asyncio.Runner() as runner:
        context = open_context(settings, clock)
        pem = str(site.keys[KeyKind.OWNER].certificate_pem)
        made = partial(_replica, context, also)
        found = Certifier(context, clock, directory, key, runner, made, pem, profile)
        with closing(found):
            reply = found.call("PUT", "/rvinfo", json={"directives": [RENDEZVOUS]})
            assert reply.status_code == 200, reply.text
            yield found


def _replica(context: Context, also: Iterable[PartFactory]) -> httpx.AsyncClient:
    """Return a client of a new replica, which remembers no run of the others."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=join(context, [*parts_of(Role.ALL), *also])),
        base_url="http://fdo.example.test",
    )


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
