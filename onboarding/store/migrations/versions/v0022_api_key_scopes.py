"""API keys for some groups of routes only."""

from alembic import op

from onboarding.store.migrations.columns import words

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("api_keys", words("scopes", optional=True))


def downgrade() -> None:
    op.drop_column("api_keys", "scopes")
