"""Manifests as the owner signed them: named, versioned, never changed."""

from dataclasses import dataclass, field

from sqlmodel import col, select, tuple_

from onboarding.store.database import Database
from onboarding.store.errors import Conflict, InvalidCursor, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import ManifestRow
from onboarding.store.pages import Page, clamp

_LIMIT = 4 * 1024 * 1024
_BETWEEN = "@"


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """One version; ``bundle`` is the signed document, ``digest`` the manifest's."""

    name: str
    version: str
    kind: str
    digest: bytes
    bundle: bytes = field(repr=False)
    created_at: int
    created_by: str


class ManifestStore:
    """Manifests by name and version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: ManifestRecord) -> bool:
        """Store a version; False when the same manifest stands under that name.

        Raises:
            Conflict: Another manifest stands under that name and version.
            InvalidRecord: A name is empty or unprintable, or the bundle is
                empty or over 4 MiB.
        """
        names = (record.name, record.version)
        if not all(name and name.isprintable() and len(name) < 200 for name in names):
            raise InvalidRecord("a manifest needs a printable name and version")
        if not 0 < len(record.bundle) <= _LIMIT:
            raise InvalidRecord("a manifest's bundle has 1 byte to 4 MiB")
        with self._database.transaction() as writing:
            standing = writing.session.get(ManifestRow, names)
            if standing is not None:
                if standing.digest != record.digest:
                    raise Conflict(f"manifest {'@'.join(names)} is a different one")
                return False
            writing.session.add(
                ManifestRow(
                    name=record.name,
                    version=record.version,
                    kind=record.kind,
                    digest=record.digest,
                    bundle=record.bundle,
                    created_at=record.created_at,
                    created_by=record.created_by,
                )
            )
            detail = {"name": record.name, "version": record.version}
            by, at = record.created_by, record.created_at
            writing.log(Event("manifest.stored", by, at, None, record.digest, detail))
        return True

    def get(self, name: str, version: str) -> ManifestRecord:
        """Raises NotFound when there is no such version."""
        with self._database.session() as session:
            row = session.get(ManifestRow, (name, version))
            if row is None:
                raise NotFound(f"there is no manifest {name}@{version}")
            return _record(row)

    def page(self, cursor: str | None = None, limit: int = 100) -> Page[ManifestRecord]:
        """Manifests by name and version."""
        size = clamp(limit)
        name, version = col(ManifestRow.name), col(ManifestRow.version)
        query = select(ManifestRow).order_by(name, version).limit(size + 1)
        if cursor is not None:
            last, between, last_version = cursor.partition(_BETWEEN)
            if not between:
                raise InvalidCursor("the cursor is not one we gave out")
            query = query.where(tuple_(name, version) > (last, last_version))
        with self._database.session() as session:
            found = tuple(_record(row) for row in session.exec(query))
        end = found[:size][-1] if len(found) > size else None
        return Page(found[:size], f"{end.name}{_BETWEEN}{end.version}" if end else None)


def _record(row: ManifestRow) -> ManifestRecord:
    return ManifestRecord(
        row.name,
        row.version,
        row.kind,
        row.digest,
        row.bundle,
        row.created_at,
        row.created_by,
    )
