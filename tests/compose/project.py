"""One compose project: compose.yaml with what a test run changes of it."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.compose.images import ROOT
from tests.compose.run import run

NAME = "vouchgate-e2e"
SECRETS = ("key-passphrase", "database-password")
SERVICES = {"manufacturing", "rendezvous", "owner"}
KEYLIME = {"keylime-registrar", "keylime-verifier"}
EVERYONE = SERVICES | KEYLIME | {"database", "device"}
UP_SECONDS = 900.0
DOWN_SECONDS = 180.0
DEVICE_SECONDS = "2"  # between two rounds of the device, and two tries to onboard


@dataclass(frozen=True, slots=True)
class Project:
    """What docker compose is told; secrets are files in a directory of the run's."""

    command: Sequence[str]
    docker: Mapping[str, str] = field(repr=False)
    secrets: Path

    def make_secrets(self) -> None:
        """As docs/operators.md has it: a closed directory of readable files."""
        self.secrets.mkdir(mode=0o700)
        for name in SECRETS:
            path = self.secrets / name
            path.write_text(f"{secrets.token_urlsafe(24)}\n")
            path.chmod(0o444)

    def secret_words(self) -> list[str]:
        return [(self.secrets / name).read_text().strip() for name in SECRETS]

    def compose(self, *words: str, device: bool = True, wait: float = 600) -> str:
        """Call compose; without ``device`` as if there were no such profile."""
        files = ("compose.yaml", "tests/compose/override.yaml")
        named = [word for name in files for word in ("-f", str(ROOT / name))]
        environment = {
            **self.docker,
            "SECRETS_DIRECTORY": str(self.secrets),
            "DEVICE_INTERVAL": DEVICE_SECONDS,
            "DEVICE_MAX_DELAY": DEVICE_SECONDS,
        }
        asked = [*self.command, "-p", NAME, *named]
        asked += ["--profile", "device"] if device else []
        return run([*asked, *words], environment, wait=wait)

    def up(self, *, device: bool) -> None:
        """Return when all of it is healthy; the device, if asked for, made."""
        words = ("up", "-d", "--no-build", "--wait")
        self.compose(*words, device=device, wait=UP_SECONDS)

    def down(self) -> None:
        """Take all of it away, with what it knows; nothing is waited for."""
        words = ("down", "--volumes", "--remove-orphans", "--timeout", "0")
        self.compose(*words, wait=DOWN_SECONDS)

    def exec(self, service: str, *words: str) -> str:
        return self.compose("exec", "-T", service, *words)

    def exec_python(self, service: str, program: str, *words: str) -> str:
        """What a short program prints in a container of ours."""
        return self.exec(service, "python3", "-c", program, *words).strip()

    def url(self, service: str) -> str:
        """Where a service is published, on this machine's loopback."""
        return f"http://{self.compose('port', service, '8080').strip()}"

    def containers(self) -> dict[str, dict[str, object]]:
        """``docker inspect`` of each container, by its service."""
        numbers = self.compose("ps", "-a", "-q").split()
        found = json.loads(run(["docker", "inspect", *numbers], self.docker))
        label = "com.docker.compose.service"
        return {one["Config"]["Labels"][label]: one for one in found}
