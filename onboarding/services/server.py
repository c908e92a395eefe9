"""Run one service: uvicorn on one socket, stopped with grace.

Source: the measurements in docs/benchmarks.md decided for uvicorn with uvloop
and httptools, one process for each core.
"""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from onboarding.services import manufacturing, owner, rendezvous
from onboarding.services.app import PartFactory, build
from onboarding.services.settings import Role, Settings, refuse_unsafe
from onboarding.services.transport import AsgiApp

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 15

log = logging.getLogger(__name__)


PARTS: dict[Role, PartFactory] = {
    Role.MANUFACTURING: manufacturing.part,
    Role.RENDEZVOUS: rendezvous.part,
    Role.OWNER: owner.part,
}


def create_app(settings: Settings) -> AsgiApp:
    """Return the service that ``settings.role`` names, or all of them in one.

    Raises:
        SettingsError, KeyStoreError, StoreError: It cannot start.
    """
    chosen = [
        factory for role, factory in PARTS.items() if settings.role.includes(role)
    ]
    return build(settings, chosen)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; returns when all work has ended.

    Raises:
        SettingsError: The settings are unsafe, or a key is missing.
        StoreError: The database cannot be used.
        OSError: The address cannot be bound.
    """
    server, bound = prepare(settings)
    with bound:
        server.run(sockets=[bound])


def prepare(settings: Settings) -> tuple["Server", socket.socket]:
    """Return a server that is ready to run on the bound socket.

    Raises:
        As ``run``.
    """
    refuse_unsafe(settings)
    bound = _bind(settings)
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http="httptools",
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
    )
    return Server(config, settings), bound


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family)


class Server(uvicorn.Server):
    """Says where it listens, once it does; a signal is a wish to stop, no failure."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then write the port where a supervisor looks for it."""
        await super().startup(sockets)
        if not sockets or self.should_exit:
            return
        host, port = sockets[0].getsockname()[:2]
        log.info("%s listens on %s port %d", self._settings.role.value, host, port)
        if self._settings.port_file is not None:
            _write_whole(self._settings.port_file, f"{port}\n")
        self.ready.set()

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


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text, encoding="ascii")
    os.replace(draft, path)
