"""A client of ``/api/v1``, for the commands and the demonstration."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from onboarding.cli.credentials import Credential, credential_of
from onboarding.cli.files import read_file
from onboarding.cli.output import unusable
from onboarding.device.errors import DeviceError, Unreachable
from onboarding.device.http import Reply, new_client, read_problem, send
from onboarding.tls import PUBLIC, Trust, TrustError, context_of

LIMIT = 64 * 1024 * 1024
MAX_CA = 4 * 1024 * 1024
Url = Annotated[
    str, typer.Option(envvar="VOUCHGATE_URL", help="The service's address.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="VOUCHGATE_API_KEY_FILE",
        help="File with the API key; else VOUCHGATE_API_KEY.",
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="VOUCHGATE_CA",
        help="Certificates (PEM) that vouch for HTTPS servers; else the public ones.",
    ),
]


class Api:
    """One service's management API, as the holder of one key, token or certificate.

    Args:
        key: What is sent as a bearer; nothing is where ``client`` shows a certificate.
    """

    def __init__(self, base: str, key: str, client: httpx.Client) -> None:
        self._base = f"{base.rstrip('/')}/api/v1"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = client

    def request(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask once; return the answer if it is of the 2xx kind.

        Raises:
            Problem: The service refused, and says why.
            Unreachable: No answer, or one that is neither.
        """
        sent = {**self._headers, **(headers or {})}
        if content is not None:
            sent["Content-Type"] = kind
        reply = send(
            self._client,
            method,
            f"{self._base}/{path}",
            headers=sent,
            content=content,
            limit=LIMIT,
        )
        if 200 <= reply.status < 300:
            return reply
        raise read_problem(reply)

    def json(
        self,
        method: str,
        path: str,
        value: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """As ``request``, with JSON both ways."""
        content = None if value is None else json.dumps(value).encode()
        kind = "application/json"
        return self.read(self.request(method, path, content, kind, headers))

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
def connected(
    base: str, key_file: Path | None, ca: Path | None = None
) -> Iterator[Api]:
    """The API at ``base``, as whom a file or the environment says one is."""
    who = credential_of(key_file)
    with closing(_client(trust_of(ca), who)) as client:
        yield Api(base, who.bearer, client)


def _client(trust: Trust, who: Credential) -> httpx.Client:
    try:
        return new_client(trust, who.certificate)
    except DeviceError as error:
        raise unusable(str(error), "Name it with --client-certificate.") from error


def trust_of(ca: Path | None) -> Trust:
    """Whom to talk to over TLS. Raises CliError (exit code 2) on a useless file."""
    if ca is None:
        return PUBLIC
    trust = Trust(read_file(ca, MAX_CA))
    try:
        context_of(trust)
    except TrustError as error:
        raise unusable(f"{ca}: {error}", "Name a file of CA certificates.") from error
    return trust
