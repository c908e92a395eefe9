"""A server that says what a test has it say, whatever it is asked."""

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\n"
_UNPACKED = 64 * 1024 * 1024
_HELD = 8 * 1024 * 1024


def bomb(status: str = "200 OK") -> bytes:
    """An answer of a few hundred bytes that unpacks to 64 MiB."""
    packed = gzip.compress(gzip.compress(bytes(_UNPACKED)))
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
    head += f"Content-Encoding: gzip, gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    return head.encode() + packed


@contextmanager
def unpacking_nothing() -> Iterator[None]:
    """Hold that what runs in here never had what a ``bomb`` unpacks to."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < _HELD
    finally:
        tracemalloc.stop()


class Scripted:
    """Answers the n-th connection's one request with ``answers[n]``, and hangs up."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self.heard: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Scripted":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            for answer in self._answers:
                peer, _ = self._server.accept()
                with peer:
                    self.heard.append(peer.recv(65536))
                    peer.sendall(answer)
