"""When an API key was last used."""

from alembic import op

from onboarding.store.migrations.columns import big

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("api_keys", big("last_used_at", optional=True))


def downgrade() -> None:
    op.drop_column("api_keys", "last_used_at")
