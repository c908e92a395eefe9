"""Evidence of which nothing was compared has a verdict of its own, ``not-checked``."""

from alembic import op

revision = "0029"
down_revision = "0028"

_TABLES = ("appraisals", "observations")


def upgrade() -> None:
    _rename("error", "not-checked")


def downgrade() -> None:
    _rename("not-checked", "error")


def _rename(old: str, new: str) -> None:
    for table in _TABLES:
        said = f"UPDATE {table} SET verdict = '{new}' WHERE verdict = '{old}'"  # noqa: S608 - our own names
        op.execute(said)
