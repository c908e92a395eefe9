"""Run one service: uvicorn on one socket, stopped with grace.

Source: the measurements in docs/benchmarks.md decided for uvicorn with uvloop
and httptools, one process for each core.
"""

import gc
import logging
import os
import secrets
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

import uvicorn

from onboarding.services import supervisor
from onboarding.services.api.event_stream import STOPPING
from onboarding.services.app import PartFactory, build
from onboarding.services.fdo_protocol import FdoProtocol, protocol_of
from onboarding.services.memory import spare_memory
from onboarding.services.migrating import migrate_apart
from onboarding.services.settings import Role, Settings, refuse_unsafe
from onboarding.services.transport import (
    AsgiApp,
    FdoTransport,
    Receive,
    Scope,
    Send,
)

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 15
SWITCH_SECONDS = 0.0005  # a thread that computes keeps the loop waiting no longer

log = logging.getLogger(__name__)


# Imported where it is served: a rendezvous server needs nothing of an owner's.
_PARTS = {
    Role.MANUFACTURING: "onboarding.services.manufacturing",
    Role.RENDEZVOUS: "onboarding.services.rendezvous",
    Role.OWNER: "onboarding.services.owner",
}


def create_app(settings: Settings, compat_port: int | None = None) -> FdoTransport:
    """Return the service that ``settings.role`` names, or all of them in one.

    Args:
        compat_port: The port that leads to another server's paths, if one does.

    Raises:
        SettingsError, KeyStoreError, StoreError: It cannot start.
    """
    return build(settings, parts_of(settings.role), compat_port)


def parts_of(role: Role) -> list[PartFactory]:
    """What makes the service of a role, or of all of them."""
    return [
        import_module(name).part for one, name in _PARTS.items() if role.includes(one)
    ]


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; returns when all work has ended.

    Raises:
        SettingsError: The settings are unsafe, or a key is missing.
        StoreError: The database cannot be used.
        OSError: The address cannot be bound.
    """
    spare_memory()
    sys.setswitchinterval(SWITCH_SECONDS)
    server, bound = prepare(settings)
    with ExitStack() as stack:
        for one in bound:
            stack.enter_context(one)
        server.run(sockets=bound)


def prepare(settings: Settings) -> tuple["Server", list[socket.socket]]:
    """Return a server that is ready to run on the bound sockets.

    The first is its own; a second leads to another server's paths.

    Raises:
        As ``run``.
    """
    refuse_unsafe(settings)
    migrate_apart(settings)
    with ExitStack() as stack:
        bound = [stack.enter_context(_bind(settings.host, settings.port))]
        compat_port = None
        if settings.compat is not None:
            other = _bind(settings.host, settings.compat_port)
            bound.append(stack.enter_context(other))
            compat_port = other.getsockname()[1]
        app = create_app(settings, compat_port)
        stack.pop_all()  # whoever runs the server closes them
    return Server(app, settings), bound


def _config(
    settings: Settings, app: AsgiApp, http: type[FdoProtocol]
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=http,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=settings.mtls_ca and str(settings.mtls_ca),
        # Devices of FDO have none, so nobody is made to show one.
        ssl_cert_reqs=ssl.CERT_OPTIONAL if settings.mtls_ca else ssl.CERT_NONE,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


class Server(uvicorn.Server):
    """Says where it listens, once it does; a signal is a wish to stop, no failure."""

    def __init__(self, app: FdoTransport, settings: Settings) -> None:
        told = _telling(app, lambda: self.should_exit)
        super().__init__(_config(settings, told, protocol_of(app)))
        self._settings = settings
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell whoever waits for it: a port file, systemd."""
        await super().startup(sockets)
        if not sockets or self.should_exit:
            return
        if threading.current_thread() is threading.main_thread():
            # What is here now stays. Without this each full collection walks through
            # it, and holds every message up for a tenth of a second.
            gc.collect()
            gc.freeze()
        settings = self._settings
        files = (settings.port_file, settings.compat_port_file)
        whose = (settings.role, f"{settings.compat} ({settings.role})")
        for bound, name, path in zip(sockets, whose, files, strict=False):
            host, port = bound.getsockname()[:2]
            log.info("%s listens on %s port %d", name, host, port)
            if path is not None:
                _write_whole(path, f"{port}\n")
        supervisor.tell(supervisor.READY)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the supervisor, then let what is under way end."""
        supervisor.tell(supervisor.STOPPING)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, and do not raise them again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wishes = (signal.SIGINT, signal.SIGTERM)
        before = {wish: signal.signal(wish, self.handle_exit) for wish in wishes}
        try:
            yield
        finally:
            for wish, handler in before.items():
                signal.signal(wish, handler)


def _telling(app: AsgiApp, stopping: Callable[[], bool]) -> AsgiApp:
    """Answers that have no end of their own end when the server does."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = stopping
        await app(scope, receive, send)

    return told


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text, encoding="ascii")
    os.replace(draft, path)
