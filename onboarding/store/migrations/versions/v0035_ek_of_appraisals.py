"""What had been judged of a device's EK when its evidence was."""

from alembic import op

from onboarding.store.migrations.columns import words

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.add_column("appraisals", words("ek_class", optional=True))


def downgrade() -> None:
    op.drop_column("appraisals", "ek_class")
