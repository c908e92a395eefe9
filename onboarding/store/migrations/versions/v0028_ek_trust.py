"""The trust store of endorsement keys in versions, with CRLs; what a verdict noted."""

import sqlalchemy as sa
from alembic import op

from onboarding.store.migrations.columns import big, blob, counter, words

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("ek_roots", words("bundle", optional=True))
    op.add_column("bindings", words("ek_notes", optional=True))
    op.add_column("bindings", blob("ek_trust_digest", optional=True))
    op.add_column("bindings", blob("identity", optional=True))
    op.create_table(
        "ek_crls",
        blob("digest"),
        blob("crl"),
        words("issuer"),
        big("this_update"),
        big("next_update"),
        big("added_at"),
        words("added_by"),
        words("bundle", optional=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    _versions()


def downgrade() -> None:
    op.drop_table("ek_trust_versions")
    op.drop_table("ek_crls")
    op.drop_column("bindings", "identity")
    op.drop_column("bindings", "ek_trust_digest")
    op.drop_column("bindings", "ek_notes")
    op.drop_column("ek_roots", "bundle")


def _versions() -> None:
    op.create_table(
        "ek_trust_versions",
        counter("number"),
        blob("digest"),
        words("cause"),
        words("bundle_name", optional=True),
        words("bundle_version", optional=True),
        blob("bundle_digest", optional=True),
        words("added"),
        words("removed"),
        big("at"),
        words("by"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_ek_trust_versions_digest", "ek_trust_versions", ["digest"])
