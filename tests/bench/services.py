"""The three services, each a process of its own, all on the first core."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from onboarding.cli.api import Api
from onboarding.device.http import new_client
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from onboarding.store.apikeys import ApiKeyStore, Role
from onboarding.store.database import Database
from tests.support.postgres import PrivatePostgres

ROLES = ("manufacturing", "rendezvous", "owner")
START_SECONDS = 120.0
FILE_NAME = "motd"
FILE_SIZE = 4096  # sent in four messages, which makes ten of a TO2


@dataclass(frozen=True, slots=True)
class Service:
    """One running service."""

    process: subprocess.Popen[bytes]
    port: int
    api: Api
    database_url: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Services:
    """Manufacturing, rendezvous and owner on loopback, in ``directory``.

    Args:
        postgres: Where each service gets a database of its own; None: SQLite files.
        roles: Those that are started.
        local_runs: Runs are in files, whatever the database is.
        more: Further settings of each, by the names of the environment.
    """

    def __init__(
        self,
        directory: Path,
        postgres: PrivatePostgres | None = None,
        roles: Sequence[str] = ROLES,
        *,
        background: bool = True,
        local_runs: bool = False,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._more = more
        self._directory = directory
        self._postgres = postgres
        self._roles = roles
        self._background = background
        self._local_runs = local_runs
        self._started: dict[str, Service] = {}
        self._api_keys: dict[str, str] = {}
        self.all: list[Service] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self.owner_key: KeyInfo
        self.manufacturer_key: KeyInfo

    def __enter__(self) -> Self:
        self._make_keys()
        try:
            for role in self._roles:
                self._started[role] = self._start(role)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(timeout=20)

    def __getitem__(self, role: str) -> Service:
        return self._started[role]

    @property
    def database_pid(self) -> int | None:
        """PostgreSQL's first process; None where the services use SQLite."""
        return None if self._postgres is None else self._postgres.pid

    def _make_keys(self) -> None:
        passphrase = secrets.token_hex(16).encode()
        (self._directory / "passphrase").write_bytes(passphrase)
        for role in ROLES:
            (self._directory / role / "keys").mkdir(parents=True)
        factory = KeyStore(self._directory / "manufacturing" / "keys", passphrase)
        p256 = KeyAlgorithm.P256
        self.manufacturer_key = factory.create("maker", KeyKind.MANUFACTURER, p256)
        factory.create("devices", KeyKind.DEVICE_CA, p256)
        owner = KeyStore(self._directory / "owner" / "keys", passphrase)
        self.owner_key = owner.create("owner", KeyKind.OWNER, p256)

    def another(self, role: str) -> Service:
        """Start one more process of a role over the database that it has."""
        url = self._started[role].database_url
        return self._run(role, url, f"{role}-{len(self._processes)}")

    def _start(self, role: str) -> Service:
        place = self._directory / role
        url = f"sqlite:///{place / 'vouchgate.db'}"
        if self._postgres is not None:
            url = self._postgres.new_database()
        database = Database(url)
        database.migrate()
        _, key = ApiKeyStore(database).create(
            "bench", Role.ADMIN, "bench", int(time.time())
        )
        database.close()
        self._api_keys[role] = key
        return self._run(role, url, role)

    def _run(self, role: str, url: str, name: str) -> Service:
        place = self._directory / role
        port_file = place / f"{name}.port"
        log = (place / f"{name}.log").open("wb")
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "onboarding.cli", "serve", "--role", role],
            env={**os.environ, **self._settings(role, url, port_file), **self._more},
            stdout=log,
            stderr=log,
        )
        self._processes.append(process)
        port = _await_port(process, port_file, place / f"{name}.log")
        key = self._api_keys[role]
        api = Api(f"http://127.0.0.1:{port}", key, new_client())
        self.all.append(Service(process, port, api, url))
        return self.all[-1]

    def _settings(self, role: str, url: str, port_file: Path) -> dict[str, str]:
        place = self._directory / role
        settings = {
            "VOUCHGATE_DATABASE_URL": url,
            "VOUCHGATE_KEY_DIRECTORY": str(place / "keys"),
            "VOUCHGATE_KEY_PASSPHRASE_FILE": str(self._directory / "passphrase"),
            "VOUCHGATE_PORT": "0",
            "VOUCHGATE_BACKGROUND": str(self._background).lower(),
            "VOUCHGATE_FDO_RATE": "0",  # all load comes from one address, with one key
            "VOUCHGATE_API_SOURCE_RATE": "0",
            "VOUCHGATE_API_KEY_RATE": "0",
            "VOUCHGATE_PORT_FILE": str(port_file),
        }
        if self._local_runs:
            settings["VOUCHGATE_RUNS_URL"] = f"file://{place / 'runs'}"
        if role == "owner":
            settings["VOUCHGATE_DOWNLOADS"] = self._download()
        return settings

    def _download(self) -> str:
        path = self._directory / "file"
        path.write_bytes(secrets.token_bytes(FILE_SIZE))
        return f'[{{"name": "{FILE_NAME}", "path": "{path}", "required": true}}]'


def _await_port(process: subprocess.Popen[bytes], file: Path, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if file.exists():
            return int(file.read_text())
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"bench: a service did not start:\n{log.read_text()[-2000:]}")
