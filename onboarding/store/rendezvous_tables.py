"""Rows of rendezvous: who may register, what is registered, and where."""

from sqlalchemy import BigInteger
from sqlmodel import Field

from onboarding.store.tables import (
    Base,
    guid_key,
    maybe_seconds,
    seconds,
)


class RegistrationRow(Base, table=True):
    """A rendezvous registration: where a device finds its owner."""

    __tablename__ = "registrations"
    guid: bytes = guid_key()
    to1d: bytes
    key_fingerprint: str
    header_digest: bytes
    entry_digests: bytes
    device_key: bytes
    expires: int = Field(sa_type=BigInteger, index=True)
    maker: str | None = None  # the manufacturer's key; unknown in rows of before


class RegistrationOwnerRow(Base, table=True):
    """How many rows of registrations an owner's key has, the expired ones too."""

    __tablename__ = "registration_owners"
    fingerprint: str = Field(primary_key=True)
    held: int = Field(sa_type=BigInteger)


class KeyRuleRow(Base, table=True):
    """What a rendezvous server's operator said of one key."""

    __tablename__ = "key_rules"
    holder: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    verdict: str | None = None
    quota: int | None = maybe_seconds()
    reason: str
    set_at: int = seconds()
    set_by: str


class RvServerRow(Base, table=True):
    """A rendezvous server that we register at, and how it has answered lately."""

    __tablename__ = "rv_servers"
    server: str = Field(primary_key=True)
    failures: int = Field(sa_type=BigInteger)
    openings: int = Field(sa_type=BigInteger)
    open_until: int = seconds()
    probe_until: int = seconds()
    error: str
    failed_at: int = seconds()
    answered_at: int = seconds()
