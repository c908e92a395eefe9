"""A server that says what it says a byte at a time, and never comes to an end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ANSWER_HEAD = b"HTTP/1.1 200 OK\r\nX-Padding: "
ANSWER_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"
PAUSE = 0.005  # seconds between two bytes


@contextmanager
def dripping(beginning: bytes = ANSWER_BODY) -> Iterator[int]:
    """A port where each connection is sent ``beginning``, then byte by byte more."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, beginning, over))
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: socket.socket, beginning: bytes, over: threading.Event) -> None:
    threads: list[threading.Thread] = []
    with suppress(OSError):  # it was shut down
        while True:
            peer, _ = server.accept()
            one = threading.Thread(target=_drip, args=(peer, beginning, over))
            threads.append(one)
            one.start()
    for one in threads:
        one.join()


def _drip(peer: socket.socket, beginning: bytes, over: threading.Event) -> None:
    with peer, suppress(OSError):
        peer.recv(65536)
        peer.sendall(beginning)
        while not over.wait(PAUSE):
            peer.sendall(b"x")
