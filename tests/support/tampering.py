"""An audit log that is altered by who may alter tables, as an intruder might."""

from collections.abc import Iterator
from contextlib import contextmanager

from onboarding.store.database import Database
from onboarding.store.direct import Sql

_GUARDS = Sql(
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
)


@contextmanager
def unguarded(database: Database) -> Iterator[None]:
    """For as long as the block lasts the database lets events be changed."""
    direct = database.direct
    if database.is_postgres:
        direct.count(Sql("ALTER TABLE events DISABLE TRIGGER USER"))
        try:
            yield
        finally:
            direct.count(Sql("ALTER TABLE events ENABLE TRIGGER USER"))
        return
    guards = direct.rows(_GUARDS)
    assert guards
    for name, _ in guards:
        direct.count(Sql(f"DROP TRIGGER {name}"))
    try:
        yield
    finally:
        for _, statement in guards:
            direct.count(Sql(statement))
