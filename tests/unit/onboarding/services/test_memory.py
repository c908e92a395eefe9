"""Threads of a service do not keep memory of their own."""

import subprocess
import sys

_ARENAS = """
import ctypes, re, threading
from onboarding.services.memory import share_arenas
libc = ctypes.CDLL(None)
if {shared}:
    assert share_arenas()
go = threading.Barrier(9)
def work():
    go.wait()
    kept = [bytes(100_000) for _ in range(20)]
    go.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[one.start() for one in threads]
go.wait(); go.wait()
[one.join() for one in threads]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


def arenas(shared: bool) -> int:
    """How many arenas malloc has after eight threads were at work."""
    command = [sys.executable, "-c", _ARENAS.format(shared=shared)]
    said = subprocess.run(  # noqa: S603 - this interpreter, our own code
        command, capture_output=True, text=True, check=True
    )
    return said.stdout.count("<heap nr=")


def test_threads_share_arenas() -> None:
    assert arenas(shared=True) == 1
    assert arenas(shared=False) > 1
