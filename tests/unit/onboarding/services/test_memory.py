"""A service does not keep memory that it has no use for."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from onboarding.store.database import Database

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


def said_by(code: str, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - this interpreter, our own code
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
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


_MIGRATED = """
import os, sys
os.environ |= {"VOUCHGATE_DATABASE_URL": sys.argv[1], "VOUCHGATE_ROLE": "rendezvous"}
from onboarding.services.context import open_database
from onboarding.services.migrating import migrate_apart
from onboarding.services.settings import Settings
settings = Settings()
for _ in range(2):
    migrate_apart(settings)
database = open_database(settings)
print(database.is_current(), "alembic" in sys.modules)
database.migrate()
print("alembic" in sys.modules)
database.close()
"""


def test_a_service_that_migrates_its_database_keeps_nothing_of_it(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    assert said_by(_MIGRATED, url).split() == ["True", "False", "False"]


_NOT_MIGRATED = """
import os, sys
os.environ |= {"VOUCHGATE_DATABASE_URL": sys.argv[1], "VOUCHGATE_ROLE": "rendezvous"}
from onboarding.services.context import open_database
from onboarding.services.migrating import migrate_apart
from onboarding.services.settings import Settings
from onboarding.store.errors import StoreUnavailable
migrate_apart(Settings())
try:
    open_database(Settings()).migrate()
except StoreUnavailable as error:
    print(error)
"""


def test_what_a_child_could_not_migrate_is_told_by_who_opens_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    newer = Database(url)
    newer.migrate()
    newer.close()
    with sqlite3.connect(tmp_path / "x.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = 'v9999'")
    told = said_by(_NOT_MIGRATED, url)
    assert told.startswith("the database was made by another version of Vouchgate")
