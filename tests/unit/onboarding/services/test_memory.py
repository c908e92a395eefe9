"""A service does not keep memory that it has no use for."""

import subprocess
import sys

_ARENAS = """
import ctypes, re, threading
from onboarding.services.memory import spare_memory
libc = ctypes.CDLL(None)
if {shared}:
    assert spare_memory()
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
    return said_by(_ARENAS.format(shared=shared)).count("<heap nr=")


def said_by(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - this interpreter, our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_threads_spare_memory() -> None:
    assert arenas(shared=True) == 1
    assert arenas(shared=False) > 1


# Freed, the first has glibc take all smaller ones into the arena, unless told not to.
_LARGE = """
from pathlib import Path
from onboarding.services.memory import spare_memory
if {told}:
    assert spare_memory()
first = bytes(8_000_000)
del first
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
kept = [(bytearray(500_000), bytearray(2_000)) for _ in range(100)]
before = resident()
kept = [small for _, small in kept]
print(before - resident())
"""


def test_what_is_large_goes_back_to_the_system() -> None:
    assert int(said_by(_LARGE.format(told=True))) > 40_000_000
    assert int(said_by(_LARGE.format(told=False))) < 40_000_000
