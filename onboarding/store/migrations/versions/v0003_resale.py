"""What TO2 shall make of a credential, and what it made of it."""

from alembic import op

from onboarding.store.migrations.columns import blob, words

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("vouchers", blob("plan", optional=True))
    op.add_column("devices", words("credential", optional=True))


def downgrade() -> None:
    op.drop_column("devices", "credential")
    op.drop_column("vouchers", "plan")
