"""The trust store of endorsement keys: what it holds, and each version it had."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlmodel import Session, col, select

from onboarding.store.database import Database, Writing
from onboarding.store.ek_tables import EkCrlRow, EkRootRow, EkTrustVersionRow
from onboarding.store.ek_trust_records import (
    BundleName,
    EkCrlRecord,
    EkRootRecord,
    EkTrustCause,
    EkTrustChange,
    EkTrustState,
    EkTrustVersion,
    words_of,
)
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.pages import Page, clamp, number_cursor

_CERTIFICATE_LIMIT = 16 * 1024
_CRL_LIMIT = 4 * 1024 * 1024
_NAMED = 16  # of a change's certificates and CRLs, in the log


class EkTrustStore:
    """Certificates, CRLs and versions; each change is one version and one event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self) -> EkTrustState:
        """All of it as it is now."""
        with self._database.session() as session:
            return _state(session)

    def apply(
        self, change: EkTrustChange, before: bytes, actor: str, at: int, why: str = ""
    ) -> EkTrustVersion:
        """Change the store.

        Args:
            before: The digest of the state that the change was made for.
            why: What its maker says of it, for the log.

        Raises:
            InvalidRecord: The change is empty, or brings something too long.
            Conflict: The store is another by now.
        """
        _require_fit(change)
        with self._database.transaction() as writing:
            state = _state(writing.session)
            if state.digest != before:
                raise Conflict("the EK trust store was changed meanwhile; look again")
            version = _next(state, change, actor, at)
            _write(writing, state, change, version)
            writing.log(_event(version, why))
            return version

    def versions(
        self, cursor: str | None = None, limit: int = 100
    ) -> Page[EkTrustVersion]:
        """The newest versions first. Raises InvalidCursor."""
        number, limit = col(EkTrustVersionRow.number), clamp(limit)
        query = select(EkTrustVersionRow).order_by(number.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(number < number_cursor(cursor))
        with self._database.session() as session:
            found = [_version(row) for row in session.exec(query)]
        more = str(found[limit - 1].number) if len(found) > limit else None
        return Page(tuple(found[:limit]), more)

    def version(self, number: int) -> EkTrustVersion:
        """Raises NotFound when there is no such version."""
        with self._database.session() as session:
            row = session.get(EkTrustVersionRow, number)
            if row is None:
                raise NotFound(f"the EK trust store has no version {number}")
            return _version(row)


def _require_fit(change: EkTrustChange) -> None:
    if change.is_empty:
        raise InvalidRecord("a change of the EK trust store that changes nothing")
    for root in change.roots:
        if not 0 < len(root.certificate) <= _CERTIFICATE_LIMIT:
            raise InvalidRecord("an EK root has 1 byte to 16 KiB of DER")
    for crl in change.crls:
        if not 0 < len(crl.crl) <= _CRL_LIMIT:
            raise InvalidRecord("a CRL has 1 byte to 4 MiB of DER")


def _state(session: Session) -> EkTrustState:
    roots = session.exec(select(EkRootRow).order_by(col(EkRootRow.digest)))
    crls = session.exec(select(EkCrlRow).order_by(col(EkCrlRow.digest)))
    newest = select(EkTrustVersionRow.number).order_by(
        col(EkTrustVersionRow.number).desc()
    )
    return EkTrustState(
        session.exec(newest.limit(1)).first() or 0,
        tuple(_root(row) for row in roots),
        tuple(_crl(row) for row in crls),
    )


def _root(row: EkRootRow) -> EkRootRecord:
    said = (row.subject, row.added_at, row.added_by, row.bundle)
    return EkRootRecord(row.certificate, *said)


def _crl(row: EkCrlRow) -> EkCrlRecord:
    times = (row.this_update, row.next_update)
    return EkCrlRecord(
        row.crl, row.issuer, *times, row.added_at, row.added_by, row.bundle
    )


def _next(
    state: EkTrustState, change: EkTrustChange, actor: str, at: int
) -> EkTrustVersion:
    """The version that the change leads to."""
    roots = {one.digest: one for one in state.roots}
    crls = {one.digest: one for one in state.crls}
    gone = [one for one in state.all if one.digest in change.removed]
    if len(gone) != len(change.removed):
        raise NotFound("there is no EK root or CRL of that digest")
    fresh = [one for one in change.roots if one.digest not in roots]
    fresh_crls = [one for one in change.crls if one.digest not in crls]
    after = EkTrustState(
        state.number + 1,
        tuple(one for one in state.roots if one not in gone) + tuple(fresh),
        tuple(one for one in state.crls if one not in gone) + tuple(fresh_crls),
    )
    return EkTrustVersion(
        after.number,
        after.digest,
        change.cause,
        change.bundle,
        words_of((*fresh, *fresh_crls)),
        words_of(gone),
        at,
        actor,
    )


def _write(
    writing: Writing,
    state: EkTrustState,
    change: EkTrustChange,
    version: EkTrustVersion,
) -> None:
    session = writing.session
    for digest in change.removed:
        kind = EkRootRow if any(o.digest == digest for o in state.roots) else EkCrlRow
        session.delete(session.get_one(kind, digest))
    for root in change.roots:
        session.merge(EkRootRow(digest=root.digest, **asdict(root)))
    for crl in change.crls:
        session.merge(EkCrlRow(digest=crl.digest, **asdict(crl)))
    bundle = version.bundle
    session.add(
        EkTrustVersionRow(
            number=version.number,
            digest=version.digest,
            cause=version.cause.value,
            bundle_name=None if bundle is None else bundle.name,
            bundle_version=None if bundle is None else bundle.version,
            bundle_digest=None if bundle is None else bundle.digest,
            added=json.dumps(version.added),
            removed=json.dumps(version.removed),
            at=version.at,
            by=version.by,
        )
    )


def _event(version: EkTrustVersion, why: str) -> Event:
    """What the log keeps: the digest names all that the store held."""
    detail: dict[str, object] = {
        "version": version.number,
        "cause": version.cause.value,
        "added": len(version.added),
        "removed": len(version.removed),
        "names": [words for _, words in (*version.added, *version.removed)][:_NAMED],
    }
    if why:
        detail["reason"] = why
    if version.bundle is not None:
        detail |= {"bundle": version.bundle.name, "of": version.bundle.version}
    return Event(
        "ek_trust.changed", version.by, version.at, None, version.digest, detail
    )


def _version(row: EkTrustVersionRow) -> EkTrustVersion:
    bundle = None
    if row.bundle_name is not None:
        digest = row.bundle_digest or b""
        bundle = BundleName(row.bundle_name, row.bundle_version or "", digest)
    return EkTrustVersion(
        row.number,
        row.digest,
        EkTrustCause(row.cause),
        bundle,
        _pairs(json.loads(row.added)),
        _pairs(json.loads(row.removed)),
        row.at,
        row.by,
    )


def _pairs(items: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((digest, words) for digest, words in items)
