"""What is noted of one run in memory, until it is written down."""

from dataclasses import dataclass, field
from enum import IntEnum

from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import State, Step, StoreVoucher
from onboarding.protocol.subjects import NOBODY, Subject
from onboarding.store.traces import Trace

STEPS_NOTED = 48


@dataclass(slots=True)
class NotedStep:
    """One message, or several alike; ``code`` 0 if it was taken."""

    kind: int
    at: int
    code: int
    times: int = 1

    def __str__(self) -> str:
        return f"{self.kind},{self.at},{self.times},{self.code};"


@dataclass(slots=True)
class RunNote:
    """What was seen of one run since the last write."""

    run: bytes
    role: ServerRole
    subject: Subject
    started: int
    updated: int = 0
    messages: int = 0
    passed: int | None = None
    last: NotedStep | None = None
    error: str = ""
    by_peer: bool = False
    proven: bool = False
    done: bool = False
    steps: list[NotedStep] = field(default_factory=list)

    def took(self, kind: int, step: Step, now: int) -> None:
        """A message was taken."""
        self._add(kind, now, 0)
        self.passed, self.error, self.by_peer = kind, "", False
        self.done = step.state is None
        self.proven = self.proven or step.state is None or not step.state.sealed

    def refused(
        self, kind: int, code: int, error: str, now: int, *, by_peer: bool = False
    ) -> None:
        """A message was refused, here or by the peer."""
        if self.done or self.by_peer:
            return  # a copy, or a message of a run that is over
        self._add(kind, now, code)
        self.error, self.by_peer = error, by_peer

    def _add(self, kind: int, at: int, code: int) -> None:
        """Add a step; the same again is counted, not listed."""
        self.messages, self.updated = self.messages + 1, at
        last = self.last
        if last is not None and last.kind == kind and last.code == code:
            last.times += 1
            return
        self.last = NotedStep(kind, at, code)
        if len(self.steps) < STEPS_NOTED:
            self.steps.append(self.last)

    def trace(self) -> Trace:
        """Return the note as it is stored."""
        last, guid = self.last, self.subject.guid
        stopped = last is not None and last.code != 0
        return Trace(
            run=self.run,
            version=self.role.version,
            protocol=self.role.name,
            guid=None if guid is None else guid.raw,
            serial=self.subject.serial,
            started=self.started,
            updated=self.updated,
            messages=self.messages,
            passed=self.passed,
            refused=last.kind if last is not None and stopped else None,
            code=last.code if last is not None and stopped else None,
            error=self.error,
            by_peer=self.by_peer,
            proven=self.proven,
            done=self.done,
            steps="".join(map(str, self.steps)),
        )


def subject_of(step: Step | None, state: State | None) -> Subject:
    """Whom a run is about: as its effects, its new state or its old one tell."""
    for effect in step.effects if step is not None else ():
        if isinstance(effect, StoreVoucher):
            return Subject(effect.voucher.guid, effect.serial)
        named = getattr(effect, "registration", effect)
        return Subject(getattr(named, "guid", None))
    after = None if step is None else step.state
    about = state if after is None else after
    guid, serial = getattr(about, "guid", None), getattr(about, "serial", "")
    return NOBODY if guid is None and not serial else Subject(guid, serial)


def said_of(
    server: ServerRole,
    run: bytes | None,
    state: State | None,
    kind: IntEnum | None = None,
    body: bytes = b"",
) -> dict[str, str | None]:
    """What a log line says of a run besides its words.

    Args:
        state: Where the run stands; None: what its first message claims counts.
    """
    if state is not None:
        about = subject_of(None, state)
    else:
        about = NOBODY if kind is None else server.claimed(kind, body)
    guid = None if about.guid is None else str(about.guid)
    run_id = None if run is None else run.hex()
    return {"protocol": server.name, "run": run_id, "guid": guid}
