"""Servers that are no good: who is silent, who is not there."""

import atexit
import socket
from collections.abc import Iterator
from contextlib import contextmanager


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
