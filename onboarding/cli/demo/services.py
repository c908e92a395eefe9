"""Vouchgate's own three services, each its own process with its own database."""

import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from attestation.keylime.processes import Program
from attestation.keylime.settings import KeylimeSettings
from onboarding.cli.api import Api
from onboarding.cli.demo.timeline import StepFailed
from onboarding.cli.files import write_file
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from onboarding.store.apikeys import ApiKeyStore, Role
from onboarding.store.database import Database

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_GRACE = 5.0
POLL_SECONDS = 0.02
ACTOR = "demonstration"
_MIGRATING = threading.Lock()  # Alembic keeps its context in module globals


@dataclass(slots=True)
class Service:
    """One ``vouchgate serve`` in its own directory: database, keys, log."""

    role: str
    directory: Path
    passphrase: bytes = field(repr=False)
    port: int = 0
    _program: Program | None = None
    _tokens: dict[Role, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "service.log"

    def prepare(self, kinds: tuple[KeyKind, ...], roles: tuple[Role, ...]) -> None:
        """Make keys, database and API keys, as an operator does by command."""
        self.directory.mkdir(mode=0o700, parents=True)
        secret = self.directory / "passphrase"
        secret.touch(mode=0o600)
        secret.write_bytes(self.passphrase)
        for kind in kinds:
            self._keys().create(kind.value, kind, KeyAlgorithm.P256)
        database = Database(self._database_url())
        try:
            with _MIGRATING:
                database.migrate()
            store = ApiKeyStore(database)
            for role in roles:
                name = f"{role.value} of the demonstration"
                _, token = store.create(name, role, ACTOR, int(time.time()))
                self._tokens[role] = token
                write_file(
                    self.directory / f"{role.value}.apikey", token.encode(), mode=0o600
                )
        finally:
            database.close()

    def key(self, kind: KeyKind) -> KeyInfo:
        """The public half of a key made by ``prepare``."""
        return self._keys().list(kind)[0]

    def start(self, more: Mapping[str, str] | None = None) -> None:
        """Start the process and return when it answers.

        Raises:
            StepFailed: It did not; says what it wrote last.
        """
        command = [sys.executable, "-m", "onboarding.cli", "serve", "--role", self.role]
        environment = {**_plain_environment(), **self._settings(), **(more or {})}
        self._program = Program(
            command, environment, self.directory, self.log, STOP_GRACE
        )
        deadline = time.monotonic() + START_SECONDS
        self._program.wait_started(START_SECONDS)
        self.port = self._wait_for_port(deadline)
        self._wait_for_answer(deadline)

    def stop(self) -> None:
        """End the process and all it started."""
        program, self._program = self._program, None
        if program is not None:
            program.stop()

    def ask_to_stop(self) -> None:
        """Returns at once; ``stop`` waits."""
        if self._program is not None:
            self._program.request_stop()

    def api(self, role: Role, client: httpx.Client) -> Api:
        """The management API as the holder of ``role``'s key."""
        return Api(self.url, self._tokens[role], client)

    def log_tail(self) -> str:
        return "" if self._program is None else self._program.log_tail()

    def _keys(self) -> KeyStore:
        return KeyStore(self.directory / "keys", self.passphrase)

    def _database_url(self) -> str:
        return f"sqlite:///{self.directory / 'service.db'}"

    def _settings(self) -> dict[str, str]:
        return {
            "VOUCHGATE_HOST": HOST,
            "VOUCHGATE_PORT": "0",
            "VOUCHGATE_PORT_FILE": str(self.directory / "port"),
            "VOUCHGATE_DATABASE_URL": self._database_url(),
            "VOUCHGATE_KEY_DIRECTORY": str(self.directory / "keys"),
            "VOUCHGATE_KEY_PASSPHRASE_FILE": str(self.directory / "passphrase"),
        }

    def _wait_for_port(self, deadline: float) -> int:
        path = self.directory / "port"
        while not path.exists():
            self._still_alive(deadline)
            time.sleep(POLL_SECONDS)
        return int(path.read_text())

    def _wait_for_answer(self, deadline: float) -> None:
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            self._still_alive(deadline)
            time.sleep(POLL_SECONDS)

    def _still_alive(self, deadline: float) -> None:
        alive = self._program is not None and self._program.running()
        if not alive or time.monotonic() > deadline:
            raise StepFailed(
                f"the {self.role} service did not start: {self.log_tail()}"
            )


def keylime_environment(settings: KeylimeSettings) -> dict[str, str]:
    """What tells the owner service where Keylime is."""
    return {
        "VOUCHGATE_KEYLIME_VERIFIER_URL": settings.verifier_url,
        "VOUCHGATE_KEYLIME_REGISTRAR_URL": settings.registrar_url,
        "VOUCHGATE_KEYLIME_REGISTRAR_HTTP_URL": settings.registrar_http_url,
        "VOUCHGATE_KEYLIME_CA": str(settings.ca),
        "VOUCHGATE_KEYLIME_CERT": str(settings.cert),
        "VOUCHGATE_KEYLIME_KEY": str(settings.key),
    }


def _plain_environment() -> dict[str, str]:
    """The caller's environment without settings of ours that would leak in."""
    return {k: v for k, v in os.environ.items() if not k.startswith("VOUCHGATE_")}
