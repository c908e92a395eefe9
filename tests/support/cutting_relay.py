"""A line to a service that breaks: the first answer ends after some bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def cut_once(url: str, kept: int) -> Iterator[str]:
    """A URL of the same service, whose first connection gives ``kept`` bytes back."""
    to = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = (to.hostname or "", to.port or 80)
        thread = threading.Thread(target=_serve, args=(server, target, kept))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: socket.socket, target: tuple[str, int], kept: int) -> None:
    threads: list[threading.Thread] = []
    with suppress(OSError):  # it was shut down
        while True:
            near, _ = server.accept()
            far = socket.create_connection(target)
            limit = None if threads else kept
            pairs = ((near, far, None), (far, near, limit))
            threads += [threading.Thread(target=_pass_on, args=one) for one in pairs]
            for one in threads[-2:]:
                one.start()
    for one in threads:
        one.join()


def _pass_on(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    """Pass on what comes, or the first ``limit`` bytes of it; then close both."""
    with source, suppress(OSError):
        while limit is None or limit > 0:
            data = source.recv(4096 if limit is None else min(limit, 4096))
            if not data:
                break
            sink.sendall(data)
            limit = None if limit is None else limit - len(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
