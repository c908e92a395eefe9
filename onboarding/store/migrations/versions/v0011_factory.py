"""Production lines, their stations, known device keys, and what was made."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, number, words

revision = "0011"
down_revision = "0010"

_ALARMED = sa.text("alarm IS NOT NULL AND settled_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "production_lines",
        words("name"),
        number("version"),
        blob("body"),
        big("updated_at"),
        words("updated_by"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "line_stations",
        words("id"),
        words("line"),
        words("name"),
        blob("secret_digest"),
        big("created_at"),
        words("created_by"),
        big("revoked_at", optional=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_line_stations_line", "line_stations", ["line"])
    op.create_table(
        "device_keys",
        words("name"),
        blob("public_key"),
        big("created_at"),
        words("created_by"),
        blob("used_by", optional=True),
        big("used_at", optional=True),
        sa.PrimaryKeyConstraint("name"),
    )
    _made()


def _made() -> None:
    op.create_table(
        "made_devices",
        blob("guid"),
        words("serial"),
        words("line"),
        words("station"),
        blob("device_key"),
        blob("header_digest"),
        big("opened_at"),
        big("made_at"),
        blob("superseded_by", optional=True),
        words("alarm", optional=True),
        big("settled_at", optional=True),
        sa.PrimaryKeyConstraint("guid"),
        sqlite_with_rowid=False,
    )
    for name, columns in (
        ("serial", ["serial", "made_at"]),
        ("line", ["line", "made_at"]),
        ("made_at", ["made_at", "guid"]),
    ):
        op.create_index(f"ix_made_devices_{name}", "made_devices", columns)
    op.create_index(
        "ix_made_devices_alarmed",
        "made_devices",
        ["made_at"],
        sqlite_where=_ALARMED,
        postgresql_where=_ALARMED,
    )


def downgrade() -> None:
    for table in ("made_devices", "device_keys", "line_stations", "production_lines"):
        op.drop_table(table)
