"""Ownership: vouchers, devices, registrations, settings, the log."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import (
    big,
    blob,
    counter,
    device,
    number,
    words,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    _api_keys()
    _devices()
    _event_head()
    _events()
    _registrations()
    _server_keys()
    _settings()
    _tasks()
    _voucher_history()
    _vouchers()
    _device_guids()
    _begin_log()


def _begin_log() -> None:
    head = sa.table("event_head", number("id"), big("seq"), blob("digest"))
    op.bulk_insert(head, [{"id": 1, "seq": 0, "digest": bytes(32)}])


def downgrade() -> None:
    op.drop_table("device_guids")
    op.drop_table("vouchers")
    op.drop_table("voucher_history")
    op.drop_table("tasks")
    op.drop_table("settings")
    op.drop_table("server_keys")
    op.drop_table("registrations")
    op.drop_table("events")
    op.drop_table("event_head")
    op.drop_table("devices")
    op.drop_table("api_keys")


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        words("id"),
        words("name"),
        words("role"),
        blob("secret_digest"),
        big("created_at"),
        words("created_by"),
        big("expires_at", optional=True),
        big("revoked_at", optional=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        blob("guid"),
        blob("previous_guid", optional=True),
        words("serial"),
        words("device_info"),
        words("profile"),
        words("labels"),
        number("frozen"),
        blob("devmod", optional=True),
        blob("module_results", optional=True),
        blob("last_run", optional=True),
        big("imported_at"),
        big("registered_until", optional=True),
        big("owned_at", optional=True),
        big("bound_at", optional=True),
        big("enrolled_at", optional=True),
        big("appraised_at", optional=True),
        number("appraisal_passed"),
        big("lease_expires", optional=True),
        big("released_at", optional=True),
        big("withdrawn_at", optional=True),
        words("removal", optional=True),
        big("retired_at", optional=True),
        sa.PrimaryKeyConstraint("guid"),
        sqlite_with_rowid=False,
    )


def _event_head() -> None:
    op.create_table(
        "event_head",
        number("id"),
        big("seq"),
        blob("digest"),
        sa.PrimaryKeyConstraint("id"),
    )


def _events() -> None:
    op.create_table(
        "events",
        counter("seq"),
        blob("guid", optional=True),
        words("cause"),
        words("actor"),
        big("at"),
        blob("evidence_digest", optional=True),
        words("detail"),
        blob("previous"),
        blob("digest"),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_events_guid", "events", ["guid"])


def _registrations() -> None:
    op.create_table(
        "registrations",
        blob("guid"),
        blob("to1d"),
        words("key_fingerprint"),
        blob("header_digest"),
        blob("entry_digests"),
        blob("device_key"),
        big("expires"),
        sa.PrimaryKeyConstraint("guid"),
    )
    op.create_index("ix_registrations_expires", "registrations", ["expires"])


def _server_keys() -> None:
    op.create_table(
        "server_keys",
        blob("key_id"),
        blob("sealed"),
        big("activates"),
        big("expires"),
        sa.PrimaryKeyConstraint("key_id"),
    )


def _settings() -> None:
    op.create_table(
        "settings",
        words("name"),
        blob("value"),
        number("version"),
        big("updated_at"),
        words("updated_by"),
        sa.PrimaryKeyConstraint("name"),
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        blob("id"),
        words("kind"),
        words("subject"),
        blob("payload"),
        big("due"),
        number("generation"),
        number("attempts"),
        words("claimed_by", optional=True),
        big("claimed_until"),
        words("last_error", optional=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "subject", name="uq_tasks_kind_subject"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tasks_due", "tasks", ["due"])


def _voucher_history() -> None:
    op.create_table(
        "voucher_history",
        blob("cbor"),
        blob("header_digest"),
        blob("entry_digests"),
        words("serial"),
        words("device_info"),
        words("key_fingerprint"),
        blob("passport", optional=True),
        big("added_at"),
        blob("guid"),
        blob("replaced_by"),
        big("used_at"),
        number("confirmed"),
        sa.PrimaryKeyConstraint("guid"),
    )
    op.create_index(
        "ix_voucher_history_replaced_by", "voucher_history", ["replaced_by"]
    )


def _vouchers() -> None:
    op.create_table(
        "vouchers",
        blob("cbor"),
        blob("header_digest"),
        blob("entry_digests"),
        words("serial"),
        words("device_info"),
        words("key_fingerprint"),
        blob("passport", optional=True),
        big("added_at"),
        blob("guid"),
        sa.PrimaryKeyConstraint("guid"),
    )


def _device_guids() -> None:
    op.create_table(
        "device_guids",
        blob("guid"),
        blob("device", device()),
        sa.PrimaryKeyConstraint("guid"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_device_guids_device", "device_guids", ["device"])
