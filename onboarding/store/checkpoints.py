"""Signed checkpoints of the audit log, as they were signed."""

from dataclasses import dataclass, field

from onboarding.store.database import Database
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.pages import Page, clamp, number_cursor

_COLUMNS = "seq, digest, at, key_fingerprint, document"
_FIRST = 1 << 62
_INSERT = Sql(
    "INSERT INTO audit_checkpoints (seq, digest, at, key_fingerprint, document) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (seq) DO NOTHING"
)
_BEFORE = Sql(
    f"SELECT {_COLUMNS} FROM audit_checkpoints WHERE seq < ? "  # noqa: S608 - ours
    "ORDER BY seq DESC LIMIT ?"
)
_DIGEST = Sql("SELECT digest FROM events WHERE seq = ?")


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """Where the log stood: event ``seq`` had ``digest``; ``document`` says so, signed.

    ``key_fingerprint`` names the key that signed, ``at`` is in seconds since 1970.
    """

    seq: int
    digest: bytes
    at: int
    key_fingerprint: str
    document: bytes = field(repr=False)


class CheckpointStore:
    """Checkpoints by the event they are of; none is ever changed."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def add(self, record: CheckpointRecord) -> None:
        """Keep a checkpoint; one of that event that is there already stays.

        Raises:
            InvalidRecord: No event, or a digest that is none.
            Conflict: The event of that number has another digest.
        """
        if record.seq < 1 or len(record.digest) != 32:
            raise InvalidRecord("a checkpoint is of one event and its digest")
        with self._direct.transaction() as connection:
            found = connection.rows(_DIGEST, (record.seq,))
            if not found or bytes(found[0][0]) != record.digest:
                raise Conflict(f"event {record.seq} is not the one that was signed")
            values = (
                record.seq,
                record.digest,
                record.at,
                record.key_fingerprint,
                record.document,
            )
            connection.count(_INSERT, values)

    def latest(self) -> CheckpointRecord:
        """Raises NotFound when there is none yet."""
        row = self._direct.one(_BEFORE, (_FIRST, 1))
        if row is None:
            raise NotFound("the audit log has no checkpoint yet")
        return _record(row)

    def page(
        self, cursor: str | None = None, limit: int = 100
    ) -> Page[CheckpointRecord]:
        """Checkpoints, the newest first."""
        size = clamp(limit)
        before = _FIRST if cursor is None else number_cursor(cursor)
        rows = self._direct.rows(_BEFORE, (before, size + 1))
        found = tuple(_record(row) for row in rows)
        more = len(found) > size
        return Page(found[:size], str(found[size - 1].seq) if more else None)


def _record(row: Row) -> CheckpointRecord:
    seq, digest, at, fingerprint, document = row
    return CheckpointRecord(seq, bytes(digest), at, fingerprint, bytes(document))
