"""Runs in a file of this machine's services: see ``runs``.

Keys: ``r`` and a run's id, ``t`` and a token's. Beside each a mark stands by the second
when it expires: ``l`` of a run under way, ``g`` of what is done or spent.
"""

from struct import Struct

from lmdb import Cursor, Transaction

from onboarding.store.errors import InvalidRecord
from onboarding.store.runs_file import RunsFile

_HEAD = Struct(">IQ?")  # step, expires, done; the sealed state follows
_SECONDS = Struct(">Q")
_MARK = 1 + _SECONDS.size
_AT_ONCE = 500  # forgotten in one transaction, since others wait for it
_LONGEST = 255  # bytes of an id


class FileRuns:
    """``RunStore`` in a file, one transaction a call."""

    def __init__(self, file: RunsFile) -> None:
        self._file = file

    def spend(self, token_id: bytes, expires: int) -> bool:
        key = _key(b"t", token_id)
        with self._file.change() as change:
            if not change.put(key, b"", overwrite=False):
                return False
            change.put(_mark(b"g", expires, key), b"")
            return True

    def begin(self, run_id: bytes, step: int, sealed: bytes, expires: int) -> bool:
        key = _key(b"r", run_id)
        with self._file.change() as change:
            kept = _HEAD.pack(step, expires, False) + sealed
            if not change.put(key, kept, overwrite=False):
                return False
            change.put(_mark(b"l", expires, key), b"")
            return True

    def load(self, run_id: bytes, now: int) -> tuple[int, bytes] | None:
        with self._file.change() as change:
            kept = change.get(_key(b"r", run_id))
        if kept is None:
            return None
        step, expires, done = _HEAD.unpack_from(kept)
        return None if done or expires <= now else (step, bytes(kept[_HEAD.size :]))

    def advance(
        self, run_id: bytes, expected_step: int, new_step: int, sealed: bytes, now: int
    ) -> bool:
        key = _key(b"r", run_id)
        with self._file.change() as change:
            expires = _expiry_at(change, key, expected_step)
            if expires is None or expires <= now:
                return False
            change.put(key, _HEAD.pack(new_step, expires, False) + sealed)
            return True

    def finish(self, run_id: bytes, expected_step: int) -> bool:
        key = _key(b"r", run_id)
        with self._file.change() as change:
            expires = _expiry_at(change, key, expected_step)
            if expires is None:
                return False
            change.put(key, _HEAD.pack(expected_step, expires, True))
            change.delete(_mark(b"l", expires, key))
            change.put(_mark(b"g", expires, key), b"")
            return True

    def prune(self, now: int) -> int:
        total = 0
        for kind in (b"l", b"g"):
            while True:
                with self._file.change() as change, change.cursor() as cursor:
                    gone = _forget(change, cursor, kind, now)
                total += gone
                if gone < _AT_ONCE:
                    break
        return total

    def live(self, now: int) -> int:
        with self._file.change() as change, change.cursor() as cursor:
            count, more = 0, cursor.set_range(_mark(b"l", now + 1))
            while more and bytes(cursor.key())[:1] == b"l":
                count, more = count + 1, cursor.next()
            return count


def _key(kind: bytes, name: bytes) -> bytes:
    if len(name) > _LONGEST:
        raise InvalidRecord(f"the id of a run has at most {_LONGEST} bytes")
    return kind + name


def _mark(kind: bytes, expires: int, key: bytes = b"") -> bytes:
    return kind + _SECONDS.pack(expires) + key


def _expiry_at(change: Transaction, key: bytes, wanted: int) -> int | None:
    """When the run expires, if it is under way and at that step."""
    kept = change.get(key)
    if kept is None:
        return None
    step, expires, done = _HEAD.unpack_from(kept)
    return None if done or step != wanted else expires


def _forget(change: Transaction, cursor: Cursor, kind: bytes, now: int) -> int:
    """Drop some that expired, with their marks; return how many."""
    gone, end = 0, _mark(kind, now + 1)
    more = cursor.set_range(kind)
    while more and gone < _AT_ONCE and (mark := bytes(cursor.key())) < end:
        change.delete(mark[_MARK:])
        gone, more = gone + 1, cursor.delete() and bool(cursor.key())
    return gone
