"""Vouchers by when they came, for lists that begin with the newest."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index("ix_vouchers_added_at", "vouchers", ["added_at"])


def downgrade() -> None:
    op.drop_index("ix_vouchers_added_at", "vouchers")
