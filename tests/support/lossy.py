"""A network that loses what a test wants lost, in front of real sockets."""

from collections.abc import Collection

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
