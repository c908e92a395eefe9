"""What every run does, noted in memory and written down afterwards, many at once.

A note costs a message no query and no commit. What is noted is bounded, whoever
sends what: so many runs at a time, so many hellos of one GUID, so many strangers.
A process that dies loses what it noted in the last second.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import IntEnum
from threading import Lock

from onboarding.protocol.errors import NotFound, TokenRefused, error_code
from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import State, Step
from onboarding.protocol.subjects import NOBODY, Subject
from onboarding.services.outages import tell
from onboarding.services.run_notes import RunNote, subject_of
from onboarding.store.errors import StoreError
from onboarding.store.traces import ERROR_LIMIT, Sighting, TraceStore
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import ErrorCode
from ownership_vouchers.errors import VoucherError

RUNS_NOTED = 1024
HELLOS_NOTED = 4  # of one device, between two writes
STRANGERS_NOTED = 64
UNPROVEN_NOTED = 64  # runs that proved nothing, and were not noted at their hello
WRITE_EVERY, PRUNE_EVERY = 1.0, 60.0  # seconds
_PEER_TEXT = 200
UNREADABLE = int(ErrorCode.INTERNAL_SERVER_ERROR)  # where the peer gave no code

log = logging.getLogger(__name__)


class Tracer:
    """Notes steps as they happen; ``flush`` writes them. Safe in any thread.

    Args:
        traces: Where they are written.
        enabled: False notes nothing.
    """

    def __init__(self, traces: TraceStore, *, enabled: bool = True) -> None:
        self._traces = traces
        self._enabled = enabled
        self._lock = Lock()
        self._writing = Lock()
        self._notes: dict[bytes, RunNote] = {}
        self._hellos: Counter[Subject] = Counter()
        self._strangers: dict[bytes, Sighting] = {}
        self._unproven = 0
        self._missed = 0

    def passed(
        self,
        role: ServerRole,
        run: bytes,
        before: State | None,
        kind: IntEnum,
        step: Step,
        now: int,
    ) -> None:
        """A message was taken; ``before`` is where the run stood, None at its start."""
        if not self._enabled:
            return
        with self._lock:
            note = self._notes.get(run)
            if note is None or note.subject is NOBODY or step.state is None:
                subject = subject_of(step, before)
                if note is None and before is None and not self._welcome(subject):
                    return
                proven = step.state is None or not step.state.sealed
                known = proven or before is None
                note = note or self._new(run, role, subject, now, known=known)
                if note is None:
                    return
                note.subject = subject
            note.took(int(kind), step, now)

    def refused(
        self,
        role: ServerRole,
        run: bytes | None,
        kind: IntEnum,
        body: bytes,
        error: Exception,
        now: int,
    ) -> None:
        """A message was refused; ``run`` None if it was to be the first of one."""
        if not self._enabled or isinstance(error, TokenRefused):
            return
        about = role.claimed(kind, body)
        if run is None and about is NOBODY:
            return
        code, text = int(error_code(error)), plain(str(error), ERROR_LIMIT)
        with self._lock:
            if run is None and isinstance(error, NotFound):
                self._sight(about, int(kind), now)
                return
            # Hellos that fail alike are one trace, however often they come.
            alike = f"{role.scope} {about} {int(kind)} {code} {text}".encode()
            name = run or hashlib.sha256(alike).digest()[:16]
            note = self._notes.get(name) or self._new(name, role, about, now)
            if note is not None:
                note.refused(int(kind), code, text, now)

    def reported(
        self, role: ServerRole, run: bytes, state: State, body: bytes, now: int
    ) -> str:
        """The peer ended a run with message 255; return what it said, made plain."""
        previous, code, text = read_report(body)
        told = f"error {code} after message {previous}: {text}"
        if not self._enabled:
            return told
        with self._lock:
            subject = subject_of(None, state)
            known = not state.sealed
            note = self._notes.get(run) or self._new(
                run, role, subject, now, known=known
            )
            if note is not None:
                note.refused(previous, code, text, now, by_peer=True)
        return told

    def flush(self) -> None:
        """Write what was noted; if the store fails, it is lost.

        Once it returns, what others began to write before is written, too.
        """
        with self._writing:
            self._write()

    def _write(self) -> None:
        with self._lock:
            notes, strangers = self._notes, self._strangers
            self._notes, self._strangers = {}, {}
            self._hellos.clear()
            missed, self._missed, self._unproven = self._missed, 0, 0
        if missed:
            log.warning("%d messages were not noted: too many runs at a time", missed)
        if not notes and not strangers:
            return
        try:
            traces = (one.trace() for one in notes.values())
            self._traces.write(traces, strangers.values())
        except StoreError as error:
            tell(
                log, error, "could not write down %d runs", len(notes) + len(strangers)
            )

    @asynccontextmanager
    async def working(self, prune: Callable[[], object]) -> AsyncIterator[None]:
        """Write every second while the block lasts and at its end; prune at times.

        ``prune`` tidies up for the whole service: this is the one loop of all roles.
        """
        stop = asyncio.Event()
        loop = asyncio.create_task(self._work(stop, prune))
        try:
            yield
        finally:
            stop.set()
            await loop
            await asyncio.to_thread(self.flush)

    async def _work(
        self,
        stop: asyncio.Event,
        prune: Callable[[], object],
    ) -> None:
        rounds = 0
        while not stop.is_set():
            await asyncio.to_thread(self.flush)
            if rounds % int(PRUNE_EVERY / WRITE_EVERY) == 0:
                await asyncio.to_thread(_tried, prune)
            rounds += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), WRITE_EVERY)

    def _welcome(self, subject: Subject) -> bool:
        """Whether a run that only said hello is noted."""
        if subject is NOBODY:
            return False
        self._hellos[subject] += 1
        return self._hellos[subject] <= HELLOS_NOTED

    def _new(
        self,
        run: bytes,
        role: ServerRole,
        subject: Subject,
        now: int,
        *,
        known: bool = False,
    ) -> RunNote | None:
        """Begin a note; ``known`` if the run's peer is one, and no stranger."""
        self._unproven += not known
        full = len(self._notes) >= RUNS_NOTED
        if full or (not known and self._unproven > UNPROVEN_NOTED):
            self._missed += 1
            return None
        note = self._notes[run] = RunNote(run, role, subject, now)
        return note

    def _sight(self, about: Subject, kind: int, now: int) -> None:
        if about.guid is None:
            return
        guid = about.guid.raw
        known = self._strangers.get(guid)
        if known is not None:
            seen = Sighting(guid, kind, known.count + 1, known.first_at, now)
            self._strangers[guid] = seen
        elif len(self._strangers) < STRANGERS_NOTED:
            self._strangers[guid] = Sighting(guid, kind, 1, now, now)


def plain(text: str, limit: int) -> str:
    """Return a stranger's words on one line, without what a terminal obeys."""
    cut = "".join(c if c.isprintable() else " " for c in text[: 2 * limit])
    return cut[:limit].strip()


def read_report(body: bytes) -> tuple[int, int, str]:
    """Return EMPrevMsgID, EMErrorCode and the text of a 255, whatever it is."""
    try:
        message = ErrorMessage.from_cbor(body)
    except VoucherError:
        return 0, UNREADABLE, "an error message that cannot be read"
    text = plain(message.text, _PEER_TEXT)
    return message.previous, message.code or UNREADABLE, text


def _tried(prune: Callable[[], object]) -> None:
    try:
        prune()
    except StoreError as error:
        tell(log, error, "could not tidy up what ran out")
