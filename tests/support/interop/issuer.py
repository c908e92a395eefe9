"""An OpenID provider that others made, with clients of our tests. TEST KEYS."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.interop.toolchain import (
    SOURCES,
    Unavailable,
    answer,
    kept,
    run_build,
    tool,
)

OIDC = SOURCES / "oidc"
AUDIENCE = "https://owner.example/api"
SECRET = "TEST-SECRET-of-no-use-elsewhere-000000000000"
SECONDS = 120.0


@dataclass(frozen=True)
class Issuing:
    """A provider that runs; ``url`` is what it calls itself."""

    url: str

    def token(self, client: str) -> str:
        """An access token, as a program of that name gets one."""
        asked = {"grant_type": "client_credentials", "scope": "api"}
        reply = httpx.post(
            f"{self.url}/token",
            data=asked,
            auth=(client, SECRET),
            trust_env=False,
            timeout=SECONDS,
        )
        assert reply.status_code == 200, reply.text
        return str(reply.json()["access_token"])


def key_of(name: str, algorithm: str) -> dict[str, Any]:
    """A new private key, as a JSON Web Key."""
    if algorithm == "ES256":
        made = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    else:
        private = rsa.generate_private_key(65537, 2048)
        made = RSAAlgorithm.to_jwk(private, as_dict=True)
    return {**made, "kid": name, "alg": algorithm, "use": "sig"}


@contextmanager
def issuing(directory: Path, key: dict[str, Any], port: int = 0) -> Iterator[Issuing]:
    """Run a provider that signs by ``key``. Raises Unavailable."""
    file = directory / f"{key['kid']}.jwks"
    file.write_text(json.dumps({"keys": [key]}))
    program = [tool("node", "JavaScript"), str(_installed() / "issuer.js")]
    with subprocess.Popen(  # noqa: S603 - our own arguments
        [*program, str(file), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            bound = process.stdout.readline().strip()
            if not bound.isdecimal():
                raise Unavailable("the provider does not start with this node")
            yield Issuing(f"http://127.0.0.1:{bound}")
        finally:
            process.kill()


@cache
def _installed() -> Path:
    """The provider's directory, filled by npm if need be. Raises Unavailable."""
    npm = tool("npm", "JavaScript")

    def build(home: Path) -> None:
        for path in OIDC.iterdir():
            shutil.copy(path, home / path.name)
        run_build([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], home)
        (home / "whole").touch()

    return kept(
        OIDC, answer([tool("node", "JavaScript"), "--version"]), ("whole",), build
    )
