"""Tables for runs and spent tokens on PostgreSQL: made when missing.

They hold minutes of work that a device can start again, so a change of shape takes a
new table name instead of a migration.
"""

from onboarding.store.direct import Direct, Sql

_LOCK = Sql("SELECT pg_advisory_xact_lock(1987012963)")

NAMES = frozenset({"runs_1", "spent_1"})

_STATEMENTS = (
    "CREATE UNLOGGED TABLE IF NOT EXISTS runs_1 (run_id BYTEA NOT NULL PRIMARY KEY, "
    "step INTEGER NOT NULL, sealed BYTEA NOT NULL, expires BIGINT NOT NULL, "
    "done INTEGER NOT NULL)",
    "CREATE UNLOGGED TABLE IF NOT EXISTS spent_1 "
    "(token_id BYTEA NOT NULL PRIMARY KEY, expires BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ix_runs_1_expires ON runs_1 (expires)",
    "CREATE INDEX IF NOT EXISTS ix_spent_1_expires ON spent_1 (expires)",
)


def create(direct: Direct) -> None:
    """Make the tables that are missing; any number of processes may ask."""
    with direct.transaction() as connection:
        connection.rows(_LOCK)
        for statement in _STATEMENTS:
            connection.count(Sql(statement))
