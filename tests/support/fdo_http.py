"""The real server roles behind an HTTP client's transport, without a socket.

Tokens, headers and status codes as a server of ours uses them; and a network that
loses what a test wants lost.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import httpx

from onboarding.protocol.errors import ProtocolError, error_message
from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import Effect, Step
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import VoucherError

Served = dict[str, tuple[ServerRole, Callable[[], object]]]


@dataclass
class FdoHttp:
    """Hosts by ``host:port``, each with one role and what makes its Env.

    Args:
        lost: Message types whose answers never arrive.
    """

    hosts: Served
    lost: Collection[MsgType] = ()
    asked: list[tuple[str, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # as each request's Host says
    tokens: list[str | None] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    _runs: dict[str, bytes] = field(default_factory=dict)

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        host = f"{request.url.host}:{request.url.port}"
        kind = int(request.url.path.removeprefix("/fdo/101/msg/"))
        self.asked.append((host, kind))
        self.names.append(request.headers["host"])
        token = request.headers.get("authorization")
        self.tokens.append(token)
        if host not in self.hosts:
            raise httpx.ConnectError("connection refused", request=request)
        if kind == MsgType.ERROR:
            self.reports.append(request.content)
            return httpx.Response(200)
        response = self._step(host, MsgType(kind), request.content, token)
        if kind in self.lost:
            raise httpx.ReadError("connection reset", request=request)
        return response

    def _step(
        self, host: str, kind: MsgType, body: bytes, token: str | None
    ) -> httpx.Response:
        role, env = self.hosts[host]
        stored = None if token is None else self._runs.get(token)
        state = None if stored is None else role.decode_state(stored)
        try:
            step: Step = role.step(state, kind, body, env())
        except (ProtocolError, VoucherError) as error:
            return _response(500, MsgType.ERROR, error_message(error, kind, 0), None)
        self.effects.extend(step.effects)
        token = token or f"Bearer {secrets.token_urlsafe(8)}"
        if step.state is not None:
            self._runs[token] = step.state.encode()
        return _response(200, MsgType(step.reply_type), step.reply, token)


def _response(
    status: int, kind: MsgType, body: bytes, token: str | None
) -> httpx.Response:
    headers = {"Content-Type": "application/cbor", "Message-Type": str(int(kind))}
    if token is not None:
        headers["Authorization"] = token
    return httpx.Response(status, headers=headers, content=body)
