"""Columns as the migrations write them: no module of today's models is needed."""

import sqlalchemy as sa


def blob(name: str, *rules: sa.ForeignKey, optional: bool = False) -> sa.Column[bytes]:
    """Bytes as received."""
    return sa.Column(name, sa.LargeBinary(), *rules, nullable=optional)


def words(name: str, *, optional: bool = False) -> sa.Column[str]:
    """Text."""
    return sa.Column(name, sa.String(), nullable=optional)


def number(name: str, *, optional: bool = False) -> sa.Column[int]:
    """A small whole number, never counted up by the database."""
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=optional)


def big(name: str, *, optional: bool = False) -> sa.Column[int]:
    """A time in seconds, or another number that may pass 2**31."""
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=optional)


def counter(name: str) -> sa.Column[int]:
    """A key that we count up ourselves; on SQLite the row's own number."""
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def device() -> sa.ForeignKey:
    """A GUID that follows the device row it names."""
    return sa.ForeignKey("devices.guid", onupdate="CASCADE", ondelete="CASCADE")
