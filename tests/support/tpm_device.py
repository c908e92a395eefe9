"""A software TPM behind a character device, as the kernel shows a chip: a terminal.

What a client writes to the path is a command, what it reads there the answer.
"""

import os
import socket
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class TpmDevice:
    """Serve the software TPM at ``tcti`` at a path; ``tcti`` then names that path."""

    def __init__(self, tcti: str) -> None:
        port = int(tcti.rpartition("port=")[2])
        self._tpm = socket.create_connection(("127.0.0.1", port))
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.tcti = f"device:{os.ttyname(self._theirs)}"
        self.commands = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._theirs)  # whose end the thread reads
        self._thread.join()
        os.close(self._ours)
        self._tpm.close()

    def _serve(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                self._tpm.sendall(_message(self._read))
                answer = _message(self._tpm.recv)
                self.commands += 1
                while answer:
                    answer = answer[os.write(self._ours, answer) :]

    def _read(self, size: int) -> bytes:
        return os.read(self._ours, size)


def _message(read: Callable[[int], bytes]) -> bytes:
    """One command or answer: tag, size, the rest."""
    head = _exactly(read, 6)
    return head + _exactly(read, int.from_bytes(head[2:], "big") - 6)


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = read(size - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found
