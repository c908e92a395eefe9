"""Integrity: bindings, policies, manifests, appraisals, releases."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, device, number, words

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _appraisals()
    _decisions()
    _ek_acceptances()
    _ek_roots()
    _manifests()
    _policies()
    _releases()
    _reports()
    _assignments()
    _bindings()


def downgrade() -> None:
    op.drop_table("bindings")
    op.drop_table("assignments")
    op.drop_table("reports")
    op.drop_table("releases")
    op.drop_table("policies")
    op.drop_table("manifests")
    op.drop_table("ek_roots")
    op.drop_table("ek_acceptances")
    op.drop_table("decisions")
    op.drop_table("appraisals")


def _appraisals() -> None:
    op.create_table(
        "appraisals",
        words("id"),
        blob("guid"),
        words("channel"),
        words("verdict"),
        words("compared"),
        words("failures"),
        words("policy_name"),
        number("policy_version"),
        blob("policy_digest"),
        blob("evidence_digest"),
        big("at"),
        big("lease_expires", optional=True),
        big("clock", optional=True),
        big("reset_count", optional=True),
        big("restart_count", optional=True),
        words("firmware", optional=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_appraisals_guid_at", "appraisals", ["guid", "at"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        words("id"),
        blob("guid"),
        number("allowed"),
        words("reasons"),
        blob("facts"),
        blob("policy_digest"),
        blob("manifest_digest", optional=True),
        big("at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decisions_at", "decisions", ["at"])
    op.create_index("ix_decisions_guid_at", "decisions", ["guid", "at"])


def _ek_acceptances() -> None:
    op.create_table(
        "ek_acceptances",
        blob("digest"),
        words("reason"),
        big("accepted_at"),
        words("accepted_by"),
        sa.PrimaryKeyConstraint("digest"),
    )


def _ek_roots() -> None:
    op.create_table(
        "ek_roots",
        blob("digest"),
        blob("certificate"),
        words("subject"),
        big("added_at"),
        words("added_by"),
        sa.PrimaryKeyConstraint("digest"),
    )


def _manifests() -> None:
    op.create_table(
        "manifests",
        words("name"),
        words("version"),
        words("kind"),
        blob("digest"),
        blob("bundle"),
        big("created_at"),
        words("created_by"),
        sa.PrimaryKeyConstraint("name", "version"),
    )


def _policies() -> None:
    op.create_table(
        "policies",
        words("name"),
        number("version"),
        words("kind"),
        blob("digest"),
        blob("body"),
        big("created_at"),
        words("created_by"),
        sa.PrimaryKeyConstraint("name", "version"),
    )


def _releases() -> None:
    op.create_table(
        "releases",
        words("decision_id"),
        blob("guid"),
        blob("manifest_digest"),
        blob("ticket_digest"),
        words("state"),
        words("removal", optional=True),
        words("cause", optional=True),
        big("granted_at"),
        big("released_at", optional=True),
        big("withdrawn_at", optional=True),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("ix_releases_guid_granted", "releases", ["guid", "granted_at"])


def _reports() -> None:
    op.create_table(
        "reports",
        blob("digest"),
        blob("guid"),
        words("kind"),
        blob("body"),
        big("at"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_reports_guid_at", "reports", ["guid", "at"])


def _assignments() -> None:
    op.create_table(
        "assignments",
        blob("guid", device()),
        words("manifest_name", optional=True),
        words("manifest_version", optional=True),
        words("policy_name", optional=True),
        number("policy_version", optional=True),
        big("assigned_at"),
        words("assigned_by"),
        sa.PrimaryKeyConstraint("guid"),
        sa.ForeignKeyConstraint(
            ["manifest_name", "manifest_version"],
            ["manifests.name", "manifests.version"],
            name="fk_assignments_manifest",
        ),
        sa.ForeignKeyConstraint(
            ["policy_name", "policy_version"],
            ["policies.name", "policies.version"],
            name="fk_assignments_policy",
        ),
    )


def _bindings() -> None:
    op.create_table(
        "bindings",
        blob("guid", device()),
        blob("ek_public"),
        blob("ek_certificate", optional=True),
        blob("ek_digest"),
        words("ek_class"),
        words("ek_reasons"),
        blob("ak_public"),
        words("ak_alg"),
        words("channel"),
        words("klass"),
        blob("passport_digest", optional=True),
        big("bound_at"),
        sa.PrimaryKeyConstraint("guid"),
    )
    op.create_index("ix_bindings_ek_digest", "bindings", ["ek_digest"])
