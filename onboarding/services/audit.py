"""Checkpoints of the audit log: signed now and then, and held against the log.

A checkpoint is only signed over events that follow from the one before: a log that
was rewritten in between is not vouched for.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass

from attestation.audit_log import Checkpoint, open_checkpoint, sign_checkpoint
from attestation.errors import DocumentRefused
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.outages import tell
from onboarding.store.checkpoints import CheckpointRecord, CheckpointStore
from onboarding.store.errors import ChainBroken, NotFound, StoreError
from onboarding.store.event_log import START, ChainHead, EventLog
from ownership_vouchers.algorithms import SoftSigner, VerifyKey
from ownership_vouchers.keys import PublicKey

LOOK_SECONDS = 60.0

log = logging.getLogger(__name__)


def checkpoint(context: Context) -> CheckpointRecord:
    """Sign where the log stands now; the newest checkpoint if nothing happened since.

    Raises:
        Problem: 409; this service has no key to sign with, or the log is empty.
        ChainBroken: The log was altered since the last checkpoint.
    """
    signer = _signer(context)
    before = _latest(context.stores.checkpoints)
    start = START if before is None else ChainHead(before.seq, before.digest)
    head = context.stores.events.verify_chain(start)
    if before is not None and head.seq == before.seq:
        return before
    first = context.stores.events.digest_of(1)
    if first is None:
        raise Problem(409, "audit-log-empty", "Nothing was logged yet.")
    at = context.now()
    document = sign_checkpoint(Checkpoint(first, head.seq, head.digest, at), signer)
    fingerprint = PublicKey.of(signer.public_key).fingerprint()
    record = CheckpointRecord(head.seq, head.digest, at, fingerprint, document)
    context.stores.checkpoints.add(record)
    return record


def _signer(context: Context) -> SoftSigner:
    for ring in context.keyrings.values():
        return ring.first()
    raise Problem(
        409,
        "no-signing-key",
        "This service has no key to sign a checkpoint with.",
        remedy="Note number and head of its log that `vouchgate doctor` prints.",
    )


def _latest(checkpoints: CheckpointStore) -> CheckpointRecord | None:
    try:
        return checkpoints.latest()
    except NotFound:
        return None


class Checkpoints:
    """Signs a checkpoint whenever the last one is older than the settings say."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> AsyncIterator[None]:
        """A lifespan: looks once a minute while the service serves."""
        if not self._context.settings.background:
            yield
            return
        stop = asyncio.Event()
        loop = asyncio.create_task(self._repeat(stop))
        try:
            yield
        finally:
            stop.set()
            await loop

    async def _repeat(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
                return
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        latest = None
        try:
            latest = _latest(self._context.stores.checkpoints)
            every = self._context.settings.audit_checkpoint_seconds
            if latest is None or latest.at + every <= self._context.now():
                checkpoint(self._context)
        except ChainBroken as error:
            log.critical("the audit log gets no checkpoint: %s", error)
        except Problem as error:
            log.debug("no checkpoint: %s", error)
        except StoreError as error:
            tell(log, error, "could not sign a checkpoint")


@dataclass(frozen=True, slots=True)
class Audited:
    """What a whole look at a log showed: its head, and how many checkpoints fit."""

    head: ChainHead
    stored: int
    given: int


def verify(
    events: EventLog,
    checkpoints: CheckpointStore,
    keys: Iterable[VerifyKey],
    given: Iterable[bytes] = (),
) -> Audited:
    """Recompute the log, and hold every checkpoint against it.

    Args:
        keys: Those whose checkpoints count.
        given: Checkpoints that were kept elsewhere, as they were signed.

    Raises:
        ChainBroken: Names the event or the checkpoint that does not fit.
    """
    head = events.verify_chain()
    known = tuple(keys)
    stored, cursor = 0, None
    while True:
        page = checkpoints.page(cursor, 500)
        for record in page.items:
            _hold(events, record.document, known)
            stored += 1
        if page.cursor is None:
            break
        cursor = page.cursor
    kept = tuple(given)
    for document in kept:
        _hold(events, document, known)
    return Audited(head, stored, len(kept))


def _hold(events: EventLog, document: bytes, keys: tuple[VerifyKey, ...]) -> None:
    try:
        said = open_checkpoint(document, keys)
    except DocumentRefused as error:
        raise ChainBroken(f"a checkpoint is refused: {error.sentence}") from error
    if events.digest_of(1) != said.log:
        raise ChainBroken(f"the checkpoint of event {said.seq} is of another log")
    found = events.digest_of(said.seq)
    if found is None:
        raise ChainBroken(f"event {said.seq} was signed, and is missing now")
    if found != said.digest:
        raise ChainBroken(f"event {said.seq} is not the one that was signed")
