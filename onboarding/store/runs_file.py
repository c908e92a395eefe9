"""One file for the runs of this machine's services: LMDB, which any number may share.

A change costs a few microseconds, since nothing is waited for: what a crash of the
machine leaves is not read again, because each boot begins a file of its own.

Every transaction here may write, though it only reads. Readers would be known by their
process's number, and two containers can have the same.
"""

import os
from pathlib import Path
from threading import Lock

import lmdb

from onboarding.store.errors import StoreUnavailable

_SIZE = 1 << 30  # bytes that the file may grow to; reserved as addresses only
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RunsFile:
    """The file of one path, safe to share between threads.

    LMDB must not open a file twice in one process, so all that ask for a path have it
    together, until the last of them closes it.

    Raises:
        StoreUnavailable: The file cannot be made, or is none of LMDB's.
    """

    _lock = Lock()
    _open: dict[Path, tuple[lmdb.Environment, int]] = {}  # noqa: RUF012 - of all

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with self._lock:
            known, users = self._open.get(self.path) or (_opened(self.path), 0)
            self._open[self.path] = known, users + 1
        self._environment: lmdb.Environment | None = known

    def change(self) -> "Change":
        """Return a transaction for the length of a block."""
        if self._environment is None:
            raise StoreUnavailable("the file of runs was closed")
        return Change(self._environment)

    def close(self) -> None:
        """Give the file back; whoever else has it keeps it open."""
        with self._lock:
            known, self._environment = self._environment, None
            if known is None:
                return
            _, users = self._open.pop(self.path)
            if users > 1:
                self._open[self.path] = known, users - 1
            else:
                known.close()


class Change:
    """A transaction: kept when the block ends, undone when it raises.

    Raises:
        StoreUnavailable: The file fails, or is full.
    """

    __slots__ = ("_environment", "_transaction")

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._transaction: lmdb.Transaction | None = None

    def __enter__(self) -> lmdb.Transaction:
        try:
            self._transaction = self._environment.begin(write=True)
        except lmdb.Error as error:
            raise _fault(error) from error
        return self._transaction

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        transaction = self._transaction
        if transaction is None:
            return
        try:
            if kind is None:
                transaction.commit()
            else:
                transaction.abort()
        except lmdb.Error as error:
            raise _fault(error) from error
        if kind is not None and issubclass(kind, lmdb.Error):
            raise _fault(kind) from None


def file_of_this_boot(main: Path) -> Path:
    """The runs' file beside ``main`` for this boot; removes older ones.

    Workers of one boot all get the same name, and no process of an earlier
    boot is left that could hold what is removed here.
    """
    stem = f"{main.name}.runs-"
    current = main.with_name(f"{stem}{_boot()}.mdb")
    if main.parent.is_dir():
        for entry in os.scandir(main.parent):
            if entry.name.startswith(stem) and not entry.name.startswith(current.name):
                Path(entry.path).unlink(missing_ok=True)
    return current


def _opened(path: Path) -> lmdb.Environment:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return lmdb.open(
            str(path),
            map_size=_SIZE,
            subdir=False,
            metasync=False,
            sync=False,
            mode=0o600,
            readahead=False,
        )
    except (OSError, ValueError, lmdb.Error) as error:
        raise StoreUnavailable(f"cannot open {path}: {error}") from error


def _fault(error: object) -> StoreUnavailable:
    return StoreUnavailable(f"the file of runs failed: {error}")


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")[:12]
    except OSError:  # no Linux: the name is then the same on every boot
        return "0"
