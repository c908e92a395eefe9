"""A TPM whose line can be cut at each command that changes what it keeps.

Stands between a client and a software TPM's two ports, as a loss of power would: what
the TPM was told it has done, and whoever told it never learns so.
"""

import secrets
import socket
import threading
from contextlib import suppress
from typing import Self

_PORTS = range(32_000 - 2_000, 32_000, 2)
_ATTEMPTS = 50
# EvictControl; NV: UndefineSpace, DefineSpace, Write, WriteLock. All else is gone with
# the power: to be cut at those is to be cut after the last of these.
_LASTING = (0x120, 0x122, 0x12A, 0x137, 0x138)
# What else is sent in these tests, and leaves nothing behind: CreatePrimary, and Clear
# between two cuts; SequenceComplete, PolicyNV, NV_Read, PolicySecret; HMAC_Start,
# SequenceUpdate, Sign; FlushContext, NV_ReadPublic; ReadPublic, StartAuthSession,
# GetCapability, GetRandom, PolicyGetDigest.
_PASSING = {0x131, 0x126, 0x13E, 0x149, 0x14E, 0x151, 0x15B, 0x15C, 0x15D}
_PASSING |= {0x165, 0x169, 0x173, 0x176, 0x17A, 0x17B, 0x189}


class Cut(Exception):
    """The line is dead."""


class CutTpm:
    """Pass commands on to the software TPM at ``tcti``.

    ``cut(n)`` lets n lasting ones more pass, and cuts at the one after: answered False
    loses the command, True its answer. ``mend`` makes the line good again.
    """

    def __init__(self, tcti: str) -> None:
        self._upstream = int(tcti.rpartition("port=")[2])
        self._left: int | None = None
        self._answered = False
        self.others: set[int] = set()  # commands of neither kind: look at them
        self._listeners = _listen()
        self.tcti = f"swtpm:host=127.0.0.1,port={self._listeners[0].getsockname()[1]}"
        for listener, serve in zip(
            self._listeners, (self._serve, self._pass_on), strict=True
        ):
            threading.Thread(
                target=self._accept, args=(listener, serve), daemon=True
            ).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.close()

    def cut(self, after: int, *, answered: bool) -> None:
        self._left, self._answered = after, answered

    def mend(self) -> None:
        self._left = None

    @property
    def dead(self) -> bool:
        return self._left is not None and self._left < 0

    def _accept(self, listener: socket.socket, serve: object) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client, listener), daemon=True).start()  # type: ignore[arg-type]

    def _serve(self, client: socket.socket, _: socket.socket) -> None:
        with client, suppress(OSError, Cut):
            with socket.create_connection(("127.0.0.1", self._upstream)) as tpm:
                while True:
                    client.sendall(self._exchange(tpm, _message(client)))

    def _exchange(self, tpm: socket.socket, command: bytes) -> bytes:
        if self.dead:
            raise Cut
        code = int.from_bytes(command[6:10], "big")
        if code not in _PASSING and code not in _LASTING:
            self.others.add(code)
        if self._left is not None and code in _LASTING:
            self._left -= 1
        if self.dead and not self._answered:
            raise Cut
        tpm.sendall(command)
        answer = _message(tpm)
        if self.dead:
            raise Cut
        return answer

    def _pass_on(self, client: socket.socket, _: socket.socket) -> None:
        """The control channel: 4 bytes of command, and what belongs to it."""
        with client, suppress(OSError, Cut):
            with socket.create_connection(("127.0.0.1", self._upstream + 1)) as tpm:
                while data := client.recv(4096):
                    tpm.sendall(data)
                    client.sendall(tpm.recv(4096))


def _message(line: socket.socket) -> bytes:
    """One command or answer: tag, size, the rest."""
    head = _exactly(line, 6)
    return head + _exactly(line, int.from_bytes(head[2:], "big") - 6)


def _exactly(line: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = line.recv(size - len(found))
        if not chunk:
            raise Cut
        found += chunk
    return found


def _listen() -> tuple[socket.socket, socket.socket]:
    """Two ports side by side, as the client wants them."""
    for _ in range(_ATTEMPTS):
        port = secrets.choice(_PORTS)
        with suppress(OSError):
            first = socket.create_server(("127.0.0.1", port))
            try:
                return first, socket.create_server(("127.0.0.1", port + 1))
            except OSError:
                first.close()
    raise OSError("no two free ports side by side")
