"""Rows of the integrity side: bindings, policies, appraisals, releases.

What is history (appraisals, decisions, releases, reports) keeps the GUID it
was recorded under; what describes the present names the device itself.
"""

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index
from sqlmodel import Field

from onboarding.store.tables import Base, device_key, maybe_seconds, seconds


class BindingRow(Base, table=True):
    """The TPM a device was shown to be bound to in its last TO2."""

    __tablename__ = "bindings"
    __table_args__ = (Index("ix_bindings_classes", "ek_class", "klass"),)
    device: bytes = device_key()
    ek_public: bytes
    ek_certificate: bytes | None = None
    ek_digest: bytes = Field(index=True)
    ek_class: str
    ek_reasons: str
    ek_notes: str | None = None
    ek_trust_digest: bytes | None = None
    identity: bytes | None = None
    ak_public: bytes
    ak_alg: str
    channel: str
    klass: str
    passport_digest: bytes | None = None
    bound_at: int = seconds()
    keylime_mark: bytes | None = None  # SHA-256; what Keylime had heard when last seen


class EkAcceptanceRow(Base, table=True):
    """An endorsement key that people accepted without a certificate."""

    __tablename__ = "ek_acceptances"
    digest: bytes = Field(primary_key=True)
    reason: str
    accepted_at: int = seconds()
    accepted_by: str


class EkRefusalRow(Base, table=True):
    """An endorsement key that people refuse, whatever vouches for it."""

    __tablename__ = "ek_refusals"
    digest: bytes = Field(primary_key=True)
    reason: str
    refused_at: int = seconds()
    refused_by: str


class PolicyRow(Base, table=True):
    """One version of a named policy; never changed once stored."""

    __tablename__ = "policies"
    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str
    digest: bytes
    body: bytes
    created_at: int = seconds()
    created_by: str


class RuntimePolicyRow(Base, table=True):
    """What IMA may measure; policies name it by digest."""

    __tablename__ = "runtime_policies"
    digest: bytes = Field(primary_key=True)
    body: bytes
    created_at: int = seconds()
    created_by: str


class LearningRow(Base, table=True):
    """What a golden device was asked to show, and has shown."""

    __tablename__ = "learnings"
    device: bytes = device_key()
    asked_at: int = seconds()
    asked_by: str
    at: int | None = maybe_seconds()
    bank: str
    pcrs: str
    boot_log: bytes


class ImaListRow(Base, table=True):
    """How far the kernel's list of one device goes."""

    __tablename__ = "ima_lists"
    device: bytes = device_key()
    generation: int
    bank: str
    entries: int = seconds()
    size: int = seconds()
    value: bytes
    padded: bytes
    extends: str
    covered: int = seconds()
    resets: int = seconds()
    at: int = seconds()


class ImaPartRow(Base, table=True):
    """Some lines of it, compressed; ``first`` is the number of the first entry."""

    __tablename__ = "ima_parts"
    device: bytes = device_key()
    generation: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    first: int = Field(primary_key=True, sa_type=BigInteger)
    size: int = seconds()
    body: bytes


class BootLogRow(Base, table=True):
    """The event log of one device's last boot, compressed."""

    __tablename__ = "boot_logs"
    device: bytes = device_key()
    digest: bytes
    size: int = seconds()
    body: bytes
    at: int = seconds()


class ManifestRow(Base, table=True):
    """One version of a named manifest, as the owner signed it."""

    __tablename__ = "manifests"
    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    kind: str
    digest: bytes
    bundle: bytes
    created_at: int = seconds()
    created_by: str


class AssignmentRow(Base, table=True):
    """What a device shall run, and the policy it is held to."""

    __tablename__ = "assignments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["manifest_name", "manifest_version"],
            ["manifests.name", "manifests.version"],
            name="fk_assignments_manifest",
        ),
        ForeignKeyConstraint(
            ["policy_name", "policy_version"],
            ["policies.name", "policies.version"],
            name="fk_assignments_policy",
        ),
    )
    device: bytes = device_key()
    manifest_name: str | None = None
    manifest_version: str | None = None
    policy_name: str | None = None
    policy_version: int | None = None
    assigned_at: int = seconds()
    assigned_by: str


class AppraisalRow(Base, table=True):
    """One verdict on a device's evidence, with what was compared."""

    __tablename__ = "appraisals"
    __table_args__ = (Index("ix_appraisals_guid_at", "guid", "at"),)
    id: str = Field(primary_key=True)
    guid: bytes
    channel: str
    verdict: str
    compared: str
    failures: str
    policy_name: str
    policy_version: int
    policy_digest: bytes
    evidence_digest: bytes
    at: int = seconds()
    lease_expires: int | None = maybe_seconds()
    clock: int | None = Field(default=None, sa_type=BigInteger)
    reset_count: int | None = Field(default=None, sa_type=BigInteger)
    restart_count: int | None = Field(default=None, sa_type=BigInteger)
    firmware: str | None = None
    ek_class: str | None = None


class QuoteRow(Base, table=True):
    """What a TPM said, under the digest that appraisals name."""

    __tablename__ = "quotes"
    digest: bytes = Field(primary_key=True)
    at: int = seconds()
    body: bytes


class DecisionRow(Base, table=True):
    """One release decision with the facts it was made from."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_guid_at", "guid", "at"),
        Index("ix_decisions_at", "at"),
    )
    id: str = Field(primary_key=True)
    guid: bytes
    allowed: int
    reasons: str
    facts: bytes
    policy_digest: bytes
    manifest_digest: bytes | None = None
    at: int = seconds()


class ReleaseRow(Base, table=True):
    """What a decision let out, and what became of it."""

    __tablename__ = "releases"
    __table_args__ = (Index("ix_releases_guid_granted", "guid", "granted_at"),)
    decision_id: str = Field(primary_key=True)
    guid: bytes
    manifest_digest: bytes
    ticket_digest: bytes
    state: str
    removal: str | None = None
    cause: str | None = None
    granted_at: int = seconds()
    released_at: int | None = maybe_seconds()
    withdrawn_at: int | None = maybe_seconds()


class ReportRow(Base, table=True):
    """A report exactly as the device signed it."""

    __tablename__ = "reports"
    __table_args__ = (Index("ix_reports_guid_at", "guid", "at"),)
    digest: bytes = Field(primary_key=True)
    guid: bytes
    kind: str
    body: bytes
    at: int = seconds()
