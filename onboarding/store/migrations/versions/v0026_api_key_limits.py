"""API keys for the devices with some labels, or of some production lines, only."""

from alembic import op

from onboarding.store.migrations.columns import words

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.add_column("api_keys", words("limits", optional=True))


def downgrade() -> None:
    # A key that loses its limits would be for all devices.
    op.execute("DELETE FROM api_keys WHERE limits IS NOT NULL")
    op.drop_column("api_keys", "limits")
