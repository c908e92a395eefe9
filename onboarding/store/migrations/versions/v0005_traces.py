"""What is remembered of runs, and of GUIDs that nobody knows."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, number, words

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "traces",
        blob("run"),
        number("version"),
        words("protocol"),
        blob("guid", optional=True),
        words("serial"),
        big("started"),
        big("updated"),
        number("messages"),
        number("passed", optional=True),
        number("refused", optional=True),
        number("code", optional=True),
        words("error"),
        number("by_peer"),
        number("proven"),
        number("done"),
        words("steps"),
        sa.PrimaryKeyConstraint("run"),
    )
    op.create_index("ix_traces_guid_updated", "traces", ["guid", "updated"])
    op.create_index("ix_traces_updated", "traces", ["updated"])
    op.create_index("ix_traces_serial", "traces", ["serial"])
    op.create_table(
        "sightings",
        blob("guid"),
        number("message"),
        big("count"),
        big("first_at"),
        big("last_at"),
        sa.PrimaryKeyConstraint("guid"),
    )
    op.create_index("ix_sightings_last_at", "sightings", ["last_at"])
    op.create_index("ix_devices_serial", "devices", ["serial"])


def downgrade() -> None:
    op.drop_index("ix_devices_serial", "devices")
    op.drop_table("sightings")
    op.drop_table("traces")
