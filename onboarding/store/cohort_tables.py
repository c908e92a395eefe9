"""Rows of cohorts: who is under which policy, what was observed, who is updating."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index
from sqlmodel import Field

from onboarding.store.tables import Base, device_key, maybe_seconds, seconds


class CohortRow(Base, table=True):
    """Devices with given labels, and the policy they are seen or held to."""

    __tablename__ = "cohorts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["policy_name", "policy_version"],
            ["policies.name", "policies.version"],
            name="fk_cohorts_policy",
        ),
    )
    name: str = Field(primary_key=True)
    labels: str  # JSON
    policy_name: str
    policy_version: int
    mode: str
    changed_at: int = seconds()
    changed_by: str


class ObservationRow(Base, table=True):
    """What a cohort's policy would have said of a device, the last time it attested."""

    __tablename__ = "observations"
    __table_args__ = (Index("ix_observations_cohort", "cohort", "device"),)
    device: bytes = device_key()
    cohort: str = Field(
        primary_key=True,
        sa_column_args=[ForeignKey("cohorts.name", ondelete="CASCADE")],
    )
    policy_name: str
    policy_version: int
    policy_digest: bytes
    verdict: str
    compared: str
    failures: str
    evidence_digest: bytes
    at: int = seconds()


class UpdateWindowRow(Base, table=True):
    """A device that is getting another image: the version before counts as well."""

    __tablename__ = "update_windows"
    device: bytes = device_key()
    policy_name: str
    old_version: int
    new_version: int
    image: bytes
    opened_at: int = seconds()
    opened_by: str
    ends_at: int = seconds()
    closed_at: int | None = maybe_seconds()
    closed_by: str | None = None
