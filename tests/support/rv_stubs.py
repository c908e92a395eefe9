"""Servers that are no good: who is silent, who sends drop by drop, who is not there."""

import atexit
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def nobody() -> int:
    """A port where nobody listens, nor comes to: it is taken until the process ends."""
    taken = socket.socket()
    atexit.register(taken.close)
    taken.bind(("127.0.0.1", 0))
    return int(taken.getsockname()[1])


@contextmanager
def silent() -> Iterator[int]:
    """A port where connections are taken, and nothing is ever answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)  # the kernel takes them; nobody accepts
        yield int(listening.getsockname()[1])


@contextmanager
def dripping() -> Iterator[int]:
    """A port where an answer never ends: one byte, and another one, and so on."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            while not stop.wait(0.02):
                connection.sendall(b"x")

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listening.accept()[0],)).start()

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield int(listening.getsockname()[1])
        stop.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
