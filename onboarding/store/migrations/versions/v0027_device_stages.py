"""How far a device is, kept by triggers, and indexes that answer for its row.

So that to count and to list devices by state, or by what was not attested for longest,
costs no look at every row.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

_STAGE = (
    "CASE WHEN retired_at IS NOT NULL THEN 'retired' "
    "WHEN owned_at IS NULL THEN 'unowned' "
    "WHEN withdrawn_at IS NOT NULL THEN 'withdrawn' "
    "WHEN bound_at IS NULL THEN 'owned' "
    "WHEN enrolled_at IS NULL THEN 'bound' "
    "WHEN appraised_at IS NULL THEN 'attesting' "
    "WHEN appraisal_passed = 0 THEN 'failed' "
    "WHEN released_at IS NULL THEN 'attested' ELSE 'released' END"
)
_OURS = sa.text("stage NOT IN ('unowned', 'retired')")
_BY_TIME = ["lease_expires", "appraised_at", "registered_until"]
_SEEN = ["appraised_at", "guid", "lease_expires", "stage"]
_WORDS = ["guid", "serial", "device_info", "profile", "stage", *_BY_TIME]


_FACTS = (
    "retired_at, owned_at, withdrawn_at, bound_at, enrolled_at, appraised_at, "
    "appraisal_passed, released_at"
)
_WRITE = (
    f"UPDATE devices SET stage = {_STAGE} WHERE guid = NEW.guid AND stage <> {_STAGE};"  # noqa: S608 - constants
)
_OF_NEW = re.sub(r"([a-z]+_(?:at|passed))", r"NEW.\1", _STAGE)
_SQLITE = (
    f"CREATE TRIGGER devices_stage_new AFTER INSERT ON devices BEGIN {_WRITE} END",
    f"CREATE TRIGGER devices_stage AFTER UPDATE OF {_FACTS} ON devices "
    f"BEGIN {_WRITE} END",
)
_POSTGRESQL = (
    "CREATE FUNCTION devices_stage() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN NEW.stage := {_OF_NEW}; "
    "RETURN NEW; END $$",
    "CREATE TRIGGER devices_stage BEFORE INSERT OR UPDATE ON devices "
    "FOR EACH ROW EXECUTE FUNCTION devices_stage()",
)


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    default = sa.Column("stage", sa.String(), nullable=False, server_default="unowned")
    op.add_column("devices", default)
    op.execute(f"UPDATE devices SET stage = {_STAGE}")  # noqa: S608 - constants
    for statement in _SQLITE if sqlite else _POSTGRESQL:
        op.execute(statement)
    op.create_index("ix_devices_stage", "devices", ["stage", "guid", *_BY_TIME])
    op.create_index(
        "ix_devices_seen",
        "devices",
        _SEEN,
        sqlite_where=_OURS,
        postgresql_where=_OURS,
    )
    frozen = sa.text("frozen = 1")
    op.create_index(
        "ix_devices_frozen",
        "devices",
        ["guid", "stage"],
        sqlite_where=frozen,
        postgresql_where=frozen,
    )
    op.create_index("ix_bindings_classes", "bindings", ["ek_class", "klass"])
    if sqlite:
        op.create_index("ix_devices_words", "devices", _WORDS)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("ix_devices_words", "devices")
        op.execute("DROP TRIGGER devices_stage_new")
        op.execute("DROP TRIGGER devices_stage")
    else:
        op.execute("DROP TRIGGER devices_stage ON devices")
        op.execute("DROP FUNCTION devices_stage()")
    op.drop_index("ix_bindings_classes", "bindings")
    op.drop_index("ix_devices_frozen", "devices")
    op.drop_index("ix_devices_seen", "devices")
    op.drop_index("ix_devices_stage", "devices")
    op.drop_column("devices", "stage")
