"""Keep what devices are looked for by apart on PostgreSQL.

Rows of devices are wide, so to read all of them for a word takes long. SQLite has an
index with all that is looked at (0027). An index of trigrams (pg_trgm) is not needed:
for 100,000 devices all words are read in 10 ms, and not everybody may have it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"

_NAMES = "serial, device_info, profile"
_TEXT = "lower({0}serial || '\n' || {0}device_info || '\n' || {0}profile)"
_TRIGGERS = (
    "CREATE FUNCTION devices_words() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 - constants
    f"INSERT INTO device_words VALUES (NEW.device, {_TEXT.format('NEW.')}) "
    "ON CONFLICT (device) DO UPDATE SET words = excluded.words; "
    "RETURN NULL; END $$",
    f"CREATE TRIGGER devices_words AFTER INSERT OR UPDATE OF {_NAMES} ON devices "
    "FOR EACH ROW EXECUTE FUNCTION devices_words()",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    device = sa.ForeignKey("devices.device", onupdate="CASCADE", ondelete="CASCADE")
    op.create_table(
        "device_words",
        sa.Column("device", sa.LargeBinary(), device, primary_key=True),
        sa.Column("words", sa.String(), nullable=False),
    )
    op.execute(
        f"INSERT INTO device_words SELECT device, {_TEXT.format('')} FROM devices"  # noqa: S608 - constants
    )
    for statement in _TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute("DROP TRIGGER devices_words ON devices")
    op.execute("DROP FUNCTION devices_words()")
    op.drop_table("device_words")
