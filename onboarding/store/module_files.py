"""Files that plans send to devices, named by the digest of their bytes."""

import hashlib
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.pages import Page, bytes_cursor, clamp
from onboarding.store.plan_tables import ModuleFileRow
from onboarding.store.seen import Seen

MAX_FILE = 8 * 1024 * 1024
_CONTENT = Sql("SELECT content, sha384 FROM module_files WHERE sha256 = ?")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file without its content."""

    name: str
    sha256: bytes
    sha384: bytes
    size: int
    added_at: int
    added_by: str


class ModuleFileStore:
    """Files by SHA-256; the same bytes are stored once, under their newest name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, content: bytes, actor: str, at: int) -> FileRecord:
        """Store a file; it is the newest of its name from now on.

        Raises:
            InvalidRecord: No printable name, or over 8 MiB.
        """
        if not name.isprintable() or not 0 < len(name) <= 255:
            raise InvalidRecord("a file needs a printable name of up to 255 characters")
        if len(content) > MAX_FILE:
            raise InvalidRecord(f"a file has at most {MAX_FILE} bytes")
        digest = hashlib.sha256(content).digest()
        with self._database.transaction() as writing:
            number = 1 + _last(writing.session)
            row = writing.session.get(ModuleFileRow, digest)
            if row is None:
                row = ModuleFileRow(
                    sha256=digest,
                    number=number,
                    name=name,
                    sha384=hashlib.sha384(content).digest(),
                    size=len(content),
                    content=content,
                    added_at=at,
                    added_by=actor,
                )
                writing.session.add(row)
            row.name, row.number = name, number
            row.added_at, row.added_by = at, actor
            record = _record(row)
            detail = {"name": name, "size": len(content)}
            writing.log(Event("module_file.stored", actor, at, None, digest, detail))
        return record

    def find(self, name: str) -> FileRecord:
        """The newest file of that name. Raises NotFound."""
        query = select(ModuleFileRow).where(ModuleFileRow.name == name)
        query = query.order_by(col(ModuleFileRow.number).desc()).limit(1)
        with self._database.session() as session:
            row = session.exec(query).first()
            if row is None:
                raise NotFound(f"there is no file {name}")
            return _record(row)

    def get(self, sha256: bytes) -> FileRecord:
        """Raises NotFound."""
        with self._database.session() as session:
            return _record(_row(session, sha256))

    def content(self, sha256: bytes) -> tuple[bytes, bytes]:
        """Return the bytes and their SHA-384. Raises NotFound."""
        found = self._database.direct.one(_CONTENT, (sha256,))
        if found is None:
            raise NotFound(f"there is no file {sha256.hex()}")
        return found[0], found[1]

    def page(self, cursor: str | None = None, limit: int = 100) -> Page[FileRecord]:
        """Files by digest."""
        size = clamp(limit)
        query = select(ModuleFileRow).order_by(col(ModuleFileRow.sha256))
        if cursor is not None:
            query = query.where(col(ModuleFileRow.sha256) > bytes_cursor(cursor))
        with self._database.session() as session:
            rows = [_record(row) for row in session.exec(query.limit(size + 1))]
        more = len(rows) > size
        last = rows[size - 1].sha256.hex() if more else None
        return Page(tuple(rows[:size]), last)

    def remove(
        self, sha256: bytes, actor: str, at: int, seen: Seen[FileRecord] | None = None
    ) -> None:
        """Forget a file.

        Raises:
            NotFound: There is none of that digest.
            Conflict: It is not as it was seen.
        """
        with self._database.transaction() as writing:
            row = _row(writing.session, sha256, locked=True)
            if seen is not None:
                seen.require(_record(row))
            detail = {"name": row.name}
            writing.session.delete(row)
            writing.log(Event("module_file.removed", actor, at, None, sha256, detail))


def _last(session: Session) -> int:
    return session.exec(select(func.max(ModuleFileRow.number))).one() or 0


def _row(session: Session, sha256: bytes, *, locked: bool = False) -> ModuleFileRow:
    row = session.get(ModuleFileRow, sha256, with_for_update=locked or None)
    if row is None:
        raise NotFound(f"there is no file {sha256.hex()}")
    return row


def _record(row: ModuleFileRow) -> FileRecord:
    return FileRecord(
        row.name, row.sha256, row.sha384, row.size, row.added_at, row.added_by
    )
