"""What the trust store of endorsement keys answers with: its content, and versions."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.ek_store import content_digest


@dataclass(frozen=True, slots=True)
class EkRootRecord:
    """One certificate, DER; ``subject`` is for people to read.

    ``bundle`` names the bundle that brought it; None is a person, by hand.
    """

    certificate: bytes
    subject: str
    added_at: int
    added_by: str
    bundle: str | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the certificate: its name here."""
        return hashlib.sha256(self.certificate).digest()


@dataclass(frozen=True, slots=True)
class EkCrlRecord:
    """One revocation list, DER; when it was made, and when the next one is due."""

    crl: bytes
    issuer: str
    this_update: int
    next_update: int
    added_at: int
    added_by: str
    bundle: str | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the list: its name here."""
        return hashlib.sha256(self.crl).digest()


@unique
class EkTrustCause(StrEnum):
    """What changed the store."""

    BUNDLE = "bundle-imported"
    TRUSTED = "certificates-trusted"
    DISTRUSTED = "certificate-distrusted"
    CRLS = "crls-imported"
    CRL_DROPPED = "crl-dropped"


@dataclass(frozen=True, slots=True)
class BundleName:
    """Which bundle it was: its own name and version, and its digest."""

    name: str
    version: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class EkTrustState:
    """The store as it is: ``number`` 0 if nothing was ever changed in versions."""

    number: int
    roots: tuple[EkRootRecord, ...]
    crls: tuple[EkCrlRecord, ...]

    @property
    def all(self) -> "tuple[EkRootRecord | EkCrlRecord, ...]":
        """Certificates and CRLs."""
        return (*self.roots, *self.crls)

    @property
    def digest(self) -> bytes:
        """What names its content; of a bundle that holds just this it is the same."""
        return content_digest(
            (one.digest for one in self.roots), (one.digest for one in self.crls)
        )


@dataclass(frozen=True, slots=True)
class EkTrustChange:
    """What is to be added, and what to go, by digest."""

    cause: EkTrustCause
    roots: tuple[EkRootRecord, ...] = ()
    crls: tuple[EkCrlRecord, ...] = ()
    removed: frozenset[bytes] = frozenset()
    bundle: BundleName | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.roots or self.crls or self.removed)


@dataclass(frozen=True, slots=True)
class EkTrustVersion:
    """One version: what it was named by, how it came, and how it differs.

    ``added`` and ``removed`` are pairs of digest (hex) and words.
    """

    number: int
    digest: bytes
    cause: EkTrustCause
    bundle: BundleName | None
    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    at: int
    by: str


def words_of(
    records: Iterable[EkRootRecord | EkCrlRecord],
) -> tuple[tuple[str, str], ...]:
    """Digest (hex) and words of each, for people to read."""
    return tuple(
        (
            one.digest.hex(),
            one.subject if isinstance(one, EkRootRecord) else f"CRL of {one.issuer}",
        )
        for one in records
    )
