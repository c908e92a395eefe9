"""Let the database itself refuse that an event of the audit log is changed or removed.

Whoever may alter tables can still do it; then the chain and the checkpoints show it.
"""

from alembic import op

revision = "0034"
down_revision = "0033"

_SAID = "the audit log is only added to"
_SQLITE = tuple(
    f"CREATE TRIGGER events_kept_{what.lower()} BEFORE {what} ON events "
    f"BEGIN SELECT RAISE(ABORT, '{_SAID}'); END"
    for what in ("UPDATE", "DELETE")
)
_POSTGRESQL = (
    "CREATE FUNCTION events_kept() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN RAISE EXCEPTION '{_SAID}'; END $$",
    "CREATE TRIGGER events_kept BEFORE UPDATE OR DELETE ON events "
    "FOR EACH ROW EXECUTE FUNCTION events_kept()",
    "CREATE TRIGGER events_kept_all BEFORE TRUNCATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION events_kept()",
)


def upgrade() -> None:
    for statement in _SQLITE if _sqlite() else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    if _sqlite():
        op.execute("DROP TRIGGER events_kept_update")
        op.execute("DROP TRIGGER events_kept_delete")
    else:
        op.execute("DROP TRIGGER events_kept ON events")
        op.execute("DROP TRIGGER events_kept_all ON events")
        op.execute("DROP FUNCTION events_kept()")


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
