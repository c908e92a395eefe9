"""What Keylime had heard of a device when it was looked at last."""

from alembic import op

from onboarding.store.migrations.columns import blob

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("bindings", blob("keylime_mark", optional=True))


def downgrade() -> None:
    op.drop_column("bindings", "keylime_mark")
