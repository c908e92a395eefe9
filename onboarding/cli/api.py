"""A client of ``/api/v1``, for the commands and the demonstration."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from onboarding.cli.credentials import Credential, credential_of
from onboarding.cli.files import read_file
from onboarding.cli.output import unusable
from onboarding.cli.sse import Sent, events_of, lines_of
from onboarding.device.errors import DeviceError, Unreachable
from onboarding.device.http import Reply, new_client, read_problem, send
from onboarding.http_client import pieces
from onboarding.tls import PUBLIC, Trust, TrustError, context_of

LIMIT = 64 * 1024 * 1024
QUIET_SECONDS = 60.0  # a stream says something every 15
TRIES, AGAIN_SECONDS = 3, 1.0
MAX_CA = 4 * 1024 * 1024
LINES = "application/x-ndjson"


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

    def follow(
        self, path: str, query: Mapping[str, object]
    ) -> Iterator[dict[str, Any]]:
        """Yield a stream's events, as JSON; taken up again when it breaks off.

        Raises:
            Problem: The service refuses, and says why.
            Unreachable: No answer, not even to the second try, or one that is none.
        """
        asked = {name: str(one) for name, one in query.items() if one is not None}
        last, failures = "", 0
        while failures < TRIES:
            headers = {**self._headers, **({"Last-Event-ID": last} if last else {})}
            try:
                for sent in self._stream(path, asked, headers):
                    last, failures = sent.id, 0
                    yield _object(sent.data)
            except httpx.HTTPError as error:
                failures += 1
                if failures == TRIES:
                    raise Unreachable(f"{path} broke off: {error}") from error
                time.sleep(AGAIN_SECONDS)

    def _stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Iterator[Sent]:
        waits = httpx.Timeout(30.0, read=QUIET_SECONDS)
        url = f"{self._base}/{path}"
        with self._client.stream(
            "GET", url, params=query, headers=headers, timeout=waits
        ) as answer:
            _require_good(answer)
            yield from events_of(pieces(answer))

    def lines(self, path: str, content: bytes, kind: str) -> Iterator[dict[str, Any]]:
        """POST; yield each line of the answer, as JSON, when it is there.

        Raises:
            Problem: The service refuses, and says why.
            Unreachable: No answer, one that broke off, or one that is none.
        """
        sent = {**self._headers, "Accept": LINES, "Content-Type": kind}
        waits = httpx.Timeout(30.0, read=QUIET_SECONDS)
        try:
            with self._client.stream(
                "POST",
                f"{self._base}/{path}",
                headers=sent,
                content=content,
                timeout=waits,
            ) as answer:
                _require_good(answer)
                yield from map(_object, lines_of(pieces(answer)))
        except httpx.HTTPError as error:
            raise Unreachable(f"{path} broke off: {error}") from error

    @staticmethod
    def read(reply: Reply) -> object:
        """Decode an answer's JSON; an empty one is None."""
        if not reply.body:
            return None
        try:
            return json.loads(reply.body)
        except ValueError as error:
            raise Unreachable("the service answered with no JSON") from error


def _require_good(answer: httpx.Response) -> None:
    if answer.status_code != 200:
        body = b"".join(islice(pieces(answer), 4))
        raise read_problem(Reply(answer.status_code, answer.headers, body))


def _object(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise Unreachable("a part of the answer is no JSON") from error
    if not isinstance(found, dict):
        raise Unreachable("a part of the answer is no object")
    return found


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
