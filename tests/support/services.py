"""Real services on loopback: keys, databases, servers in threads, and callers.

Every key here is a TEST KEY.
"""

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from onboarding.protocol.step import Finished, Send
from onboarding.services import key_files
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.server import prepare
from onboarding.services.settings import Role, Settings
from onboarding.store import apikeys
from onboarding.store.apikeys import ApiKeyStore
from onboarding.store.database import Database
from onboarding.wire.message import MsgType
from tests.support.databases import NewDatabase
from tests.support.key_holders import KeyHolder

PASSPHRASE = b"test passphrase, for tests only"
SECONDS = 120.0

T = TypeVar("T")


@cache
def _http() -> httpx.Client:
    """One client for all wires: making one costs more than a whole TO2."""
    return httpx.Client(
        trust_env=False,
        timeout=SECONDS,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


@cache
def _key_files(algorithm: KeyAlgorithm, cost: int) -> Path:
    """One set of keys for all sites: to stretch a passphrase takes its time.

    ``cost`` is of that: what was made at another does not open.
    """
    return _new_keys(algorithm)


def _new_keys(algorithm: KeyAlgorithm) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="vouchgate-test-keys-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    store = KeyStore(directory, PASSPHRASE)
    for kind in KeyKind:
        plain = KeyAlgorithm(algorithm.removesuffix("-PSS"))
        fitting = plain if kind is KeyKind.DEVICE_CA else algorithm
        store.create(kind.value, kind, fitting)
    return directory


@dataclass
class Running:
    """One service, serving in a thread of this process."""

    url: str
    http: httpx.Client
    stop: Callable[[], None]
    compat_url: str = ""  # of another server's paths; else the same

    def call(
        self, key: str | None, method: str, path: str, **kwargs: Any
    ) -> httpx.Response:
        """Call the management API with an API key."""
        headers = {} if key is None else {"X-API-Key": key}
        return self.http.request(method, f"/api/v1{path}", headers=headers, **kwargs)


@dataclass
class Site:
    """A directory with everything that services of all roles need."""

    directory: Path
    algorithm: KeyAlgorithm = KeyAlgorithm.P256
    own_keys: bool = False  # else those that all sites of a test run share
    holder: KeyHolder | None = None  # keys are in it; else in files
    databases: NewDatabase | None = None  # makes them; else they are files of SQLite
    _urls: dict[Role, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        (self.directory / "passphrase").write_bytes(PASSPHRASE)
        if self.holder is None:
            made = (
                _new_keys(self.algorithm)
                if self.own_keys
                else _key_files(self.algorithm, key_files.SCRYPT_N)
            )
            shutil.copytree(made, self.directory / "keys")
        else:
            ours = KeyStore.of(self.settings(Role.ALL))
            for kind in KeyKind:
                ours.create(kind.value, kind, self.algorithm, self.holder.custody)
        store = KeyStore(self.directory / "keys", PASSPHRASE)
        self.keys = {info.kind: info for info in store.list()}

    def settings(self, role: Role, **changed: Any) -> Settings:
        values: dict[str, Any] = {
            "role": role,
            "port": 0,
            "database_url": self._url(role),
            "key_directory": self.directory / "keys",
            "key_passphrase_file": self.directory / "passphrase",
            "task_poll_seconds": 0.05,
            "first_admin_key": False,  # tests make theirs
            **(self.holder.named if self.holder else {}),
        }
        return Settings(**{**values, **changed})

    def _url(self, role: Role) -> str:
        """Where a role's database is, the same one for all its services."""
        if self.databases is None:
            return f"sqlite:///{self.directory}/{role.value}.db"
        if role not in self._urls:
            self._urls[role] = self.databases()
        return self._urls[role]

    def close(self) -> None:
        """Leave the databases to the next site; nothing of this one runs any more."""
        if self.databases is not None:
            self.databases.give_back([*self._urls.values()])
            self._urls.clear()

    def api_key(self, settings: Settings, role: apikeys.Role) -> str:
        """Make an API key as the command line does: in the database itself."""
        database = Database(settings.database_url)
        database.migrate()
        name = f"test {role.value} {next(self._numbers)}"
        _, token = ApiKeyStore(database).create(name, role, "test", 0)
        database.close()
        return token

    @contextmanager
    def serve(self, settings: Settings) -> Iterator[Running]:
        """Run a service until the block ends."""
        server, bound = prepare(settings)
        urls = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in bound]
        thread = threading.Thread(target=server.run, args=(bound,), daemon=True)
        thread.start()
        if not server.ready.wait(SECONDS):
            raise TimeoutError("the service did not start")

        def stop() -> None:
            server.should_exit = True
            thread.join(SECONDS)
            for one in bound:
                one.close()

        with httpx.Client(base_url=urls[0], timeout=SECONDS, trust_env=False) as http:
            try:
                yield Running(urls[0], http, stop, urls[-1])
            finally:
                stop()


@dataclass
class Wire:
    """A device's side of the network: any message may go to any replica.

    ``before`` is called before each message, with its type: to restart a
    replica, or to send a copy.
    """

    urls: Sequence[str]
    before: Callable[[Send, str | None], None] | None = None
    token: str | None = None
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def to(cls, *urls: str) -> Self:
        return cls(urls)

    def run(self, client: Any) -> Any:
        """Run a client role to its end; what it raises comes out here."""
        move = client.start()
        while isinstance(move, Send):
            if self.before is not None:
                self.before(move, self.token)
            reply = self.post(move.type, move.body, self.token)
            kind = MsgType(int(reply.headers["Message-Type"]))
            if self.token is None:
                self.token = reply.headers.get("Authorization")
            move = client.receive(kind, reply.content)
        assert isinstance(move, Finished)
        return move.result

    def post(self, kind: int, body: bytes, token: str | None = None) -> httpx.Response:
        """Send one message, each to the next replica in turn."""
        url = self.urls[len(self.sent) % len(self.urls)]
        self.sent.append((int(kind), body))
        headers = {"Content-Type": "application/cbor"}
        if token is not None:
            headers["Authorization"] = token
        target = f"{url}/fdo/101/msg/{int(kind)}"
        reply = _http().post(target, content=body, headers=headers)
        self.headers.append(dict(reply.headers))
        return reply
