"""Rows of the trust store of endorsement keys: certificates, CRLs, versions."""

from sqlmodel import Field

from onboarding.store.tables import Base, counter_key, seconds


class EkRootRow(Base, table=True):
    """A certificate that EK chains may end in; ``bundle`` brought it, or a person."""

    __tablename__ = "ek_roots"
    digest: bytes = Field(primary_key=True)
    certificate: bytes
    subject: str
    added_at: int = seconds()
    added_by: str
    bundle: str | None = None


class EkCrlRow(Base, table=True):
    """A revocation list of one of these authorities."""

    __tablename__ = "ek_crls"
    digest: bytes = Field(primary_key=True)
    crl: bytes
    issuer: str
    this_update: int = seconds()
    next_update: int = seconds()
    added_at: int = seconds()
    added_by: str
    bundle: str | None = None


class EkTrustVersionRow(Base, table=True):
    """What the store became by one change; never changed itself."""

    __tablename__ = "ek_trust_versions"
    number: int = counter_key()
    digest: bytes = Field(index=True)
    cause: str
    bundle_name: str | None = None
    bundle_version: str | None = None
    bundle_digest: bytes | None = None
    added: str
    removed: str
    at: int = seconds()
    by: str
