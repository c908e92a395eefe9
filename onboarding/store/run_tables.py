"""Rows of what is to be done, and of what each run did."""

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from onboarding.store.tables import (
    ONE_TREE,
    Base,
    guid_key,
    seconds,
)


class TaskRow(Base, table=True):
    """Work to be done at a time by whichever replica claims it first."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("kind", "subject", name="uq_tasks_kind_subject"),
        Index("ix_tasks_due", "due"),
        ONE_TREE,
    )
    id: bytes = Field(primary_key=True)
    kind: str
    subject: str
    payload: bytes
    due: int = seconds()
    generation: int = 1
    attempts: int = 0
    claimed_by: str | None = None
    claimed_until: int = Field(default=0, sa_type=BigInteger)
    last_error: str | None = None


class TraceRow(Base, table=True):
    """One run of DI, TO0, TO1 or TO2, as far as it came."""

    __tablename__ = "traces"
    __table_args__ = (
        Index("ix_traces_guid_updated", "guid", "updated"),
        Index("ix_traces_updated", "updated"),
    )
    run: bytes = Field(primary_key=True)
    version: int
    protocol: str
    guid: bytes | None = None  # as the run was about, or claimed to be
    serial: str = Field(default="", index=True)
    started: int = seconds()
    updated: int = seconds()
    messages: int = 0
    passed: int | None = None  # the last message that was taken
    refused: int | None = None  # the message that was refused after it
    code: int | None = None
    error: str = ""
    by_peer: int = 0  # 1: the peer said so
    proven: int = 0
    done: int = 0
    steps: str = ""


class SightingRow(Base, table=True):
    """A GUID that was asked for, and that nothing is known of."""

    __tablename__ = "sightings"
    guid: bytes = guid_key()
    message: int
    count: int = Field(sa_type=BigInteger)
    first_at: int = seconds()
    last_at: int = Field(sa_type=BigInteger, index=True)
