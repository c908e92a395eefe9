"""A network that loses or alters what a test wants, in front of real sockets."""

from collections.abc import Collection, Mapping

import httpx

from onboarding.wire.message import MsgType


class Lossy(httpx.BaseTransport):
    """Delivers every message, and loses the answers to some.

    ``lost`` holds message types of FDO; each is lost once.
    """

    def __init__(self, lost: Collection[MsgType]) -> None:
        self._below = httpx.HTTPTransport(trust_env=False)
        self._lost = set(lost)
        self.sent: list[tuple[int | None, int]] = []  # port and message type

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        kind = int(request.url.path.rsplit("/", 1)[-1])
        self.sent.append((request.url.port, kind))
        response = self._below.handle_request(request)
        if kind not in self._lost:
            return response
        response.read()
        response.close()
        self._lost.discard(MsgType(kind))
        raise httpx.ReadError("connection reset", request=request)

    def close(self) -> None:
        self._below.close()


class Altering(httpx.BaseTransport):
    """Delivers every message, and other answers than were given to some.

    ``answers`` has the body by the type of the message that it answers.
    """

    def __init__(self, answers: Mapping[MsgType, bytes]) -> None:
        self._below = httpx.HTTPTransport(trust_env=False)
        self._answers = dict(answers)
        self.seen: list[tuple[httpx.Request, httpx.Response]] = []  # as it was given

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        given = self._below.handle_request(request)
        given.read()
        self.seen.append((request, given))
        kind = MsgType(int(request.url.path.rsplit("/", 1)[-1]))
        body = self._answers.get(kind, given.content)
        kept = {k: v for k, v in given.headers.items() if k != "content-length"}
        return httpx.Response(given.status_code, headers=kept, content=body)

    def close(self) -> None:
        self._below.close()
