"""A private PostgreSQL for tests, from Debian's package: no TCP, gone at the end.

The server refuses to run as root, so as root it runs as ``postgres`` (or
``nobody``). It is this process's child and dies with it.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlalchemy import make_url

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 120.0
_SETTINGS = (
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=16MB",
    "log_min_messages=fatal",
)


def binaries() -> Path | None:
    """The directory of initdb and postgres, newest version first; None if absent."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PrivatePostgres:
    """One server with a unix socket in a short temporary directory.

    Args:
        durable: Whether a commit waits for the disk; tests need not.
        superuser: Who owns the cluster.
    """

    def __init__(
        self,
        bin_directory: Path,
        *,
        durable: bool = False,
        superuser: str = "vouchgate",
    ) -> None:
        self._bin = bin_directory
        self._superuser = superuser
        self._settings = (*_SETTINGS, f"fsync={'on' if durable else 'off'}")
        self._directory = Path(tempfile.mkdtemp(prefix="vgpg", dir="/tmp"))
        self._account = _account()
        self._server: subprocess.Popen[bytes] | None = None
        self._count = 0

    def start(self) -> None:
        """Make a cluster and serve it; raises RuntimeError if it does not come up."""
        if self._account is not None:
            os.chown(self._directory, self._account.pw_uid, self._account.pw_gid)
        try:
            self._initialise()
            self._serve()
        except BaseException:
            self.stop()
            raise

    def new_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database; return its SQLAlchemy URL."""
        return self._make(f"ENCODING '{encoding}' TEMPLATE template0")

    def copy_of(self, url: str) -> str:
        """Make a copy of a database that nobody is connected to; return its URL."""
        return self._make(f"TEMPLATE {make_url(url).database} STRATEGY wal_log")

    def _make(self, how: str) -> str:
        self._count += 1
        name = f"t{self._count}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {how}")
        user = self._superuser
        return f"postgresql+psycopg://{user}@/{name}?host={self._directory}"

    def drop_database(self, url: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        name = make_url(url).database
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def host(self) -> Path:
        """The directory of its socket, which clients name as its host."""
        return self._directory

    @property
    def pid(self) -> int:
        """The first process, whose children serve the connections."""
        if self._server is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._server.pid

    def stop(self) -> None:
        """End the server and remove its directory."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)  # nothing here is to be kept
            try:
                self._server.wait(60)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait(60)
            self._server = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def interrupt(self) -> None:
        """End the server as a crash would, and keep what it has on disk."""
        if self._server is None:
            raise RuntimeError("PostgreSQL does not run")
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(60)

    def resume(self) -> None:
        """Serve again after ``interrupt``; returns when it takes connections."""
        self._serve()

    def _conninfo(self, name: str) -> str:
        return f"host={self._directory} user={self._superuser} dbname={name}"

    def _initialise(self) -> None:
        command: list[str | Path] = [self._bin / "initdb", "-N"]
        command += [
            "-D",
            self._directory / "data",
            "-U",
            self._superuser,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        made = subprocess.run(  # noqa: S603 - Debian's initdb
            command, preexec_fn=self._drop(), capture_output=True, check=False
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr.decode()[-500:]}")

    def _serve(self) -> None:
        command: list[str | Path] = [self._bin / "postgres", "-k", self._directory]
        command += ["-D", self._directory / "data"]
        for setting in self._settings:
            command += ["-c", setting]
        self._server = subprocess.Popen(  # noqa: S603 - Debian's postgres
            command, preexec_fn=self._drop(), stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not come up")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo("postgres"), connect_timeout=20).close()
        except psycopg.OperationalError:
            return False
        return True

    def _drop(self) -> Callable[[], None]:
        account = self._account
        libc = ctypes.CDLL(None)

        def prepare() -> None:
            if account is not None:
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
            os.chdir("/")

        return prepare


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no unprivileged account to run PostgreSQL as")
