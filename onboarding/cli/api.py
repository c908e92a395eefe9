"""A client of ``/api/v1``, for the commands and the demonstration."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from onboarding.cli.files import read_secret
from onboarding.cli.output import CliError
from onboarding.device.errors import Unreachable
from onboarding.device.http import Reply, new_client, read_problem, send

LIMIT = 64 * 1024 * 1024
KEY_VARIABLE = "VOUCHGATE_API_KEY"


class Api:
    """One service's management API, as the holder of one API key."""

    def __init__(self, base: str, key: str, client: httpx.Client) -> None:
        self._base = f"{base.rstrip('/')}/api/v1"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._client = client

    def request(
        self, method: str, path: str, content: bytes | None = None, kind: str = ""
    ) -> Reply:
        """Ask once; return the answer if it is of the 2xx kind.

        Raises:
            Problem: The service refused, and says why.
            Unreachable: No answer, or one that is neither.
        """
        headers = dict(self._headers)
        if content is not None:
            headers["Content-Type"] = kind
        reply = send(
            self._client,
            method,
            f"{self._base}/{path}",
            headers=headers,
            content=content,
            limit=LIMIT,
        )
        if 200 <= reply.status < 300:
            return reply
        raise read_problem(reply)

    def json(self, method: str, path: str, value: object = None) -> object:
        """As ``request``, with JSON both ways."""
        content = None if value is None else json.dumps(value).encode()
        return self.read(self.request(method, path, content, "application/json"))

    @staticmethod
    def read(reply: Reply) -> object:
        """Decode an answer's JSON; an empty one is None."""
        if not reply.body:
            return None
        try:
            return json.loads(reply.body)
        except ValueError as error:
            raise Unreachable("the service answered with no JSON") from error


@contextmanager
def connected(base: str, key_file: Path | None) -> Iterator[Api]:
    """The API at ``base``, with the key that is in a file or in the environment."""
    with closing(new_client()) as client:
        yield Api(base, api_key(key_file), client)


def api_key(path: Path | None) -> str:
    """Read the API key from a file, or from the environment.

    It is no argument of any command: arguments are public on a machine.
    """
    if path is not None:
        return read_secret(path).decode("ascii", "replace")
    value = os.environ.get(KEY_VARIABLE, "").strip()
    if not value:
        raise CliError(
            "no API key given",
            f"Name its file with --api-key-file, or set {KEY_VARIABLE}.",
            code=2,
        )
    return value
