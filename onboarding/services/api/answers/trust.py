"""Answers about trust: endorsement keys, manufacturers, the security overview."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Digest, Etag, Named, Seconds


class EkAcceptanceOut(TypedDict):
    """An endorsement key that is accepted by hand."""

    ek_digest: Digest
    reason: str
    accepted_at: Seconds
    accepted_by: str
    etag: Etag


class EkRefusalOut(TypedDict):
    """An endorsement key that is refused by hand."""

    ek_digest: Digest
    reason: str
    refused_at: Seconds
    refused_by: str
    etag: Etag


class EkRootOut(TypedDict):
    """A certificate of the trust store; ``bundle`` names what brought it."""

    digest: Digest
    subject: str
    added_at: Seconds
    added_by: str
    bundle: str | None
    etag: Etag


class EkRootsAddedOut(TypedDict):
    """How many certificates are new, all that were named, and which lead to no root."""

    added: int
    items: list[EkRootOut]
    without_path: list[str]


class EkCrlOut(TypedDict):
    """A revocation list of the trust store."""

    digest: Digest
    issuer: str
    this_update: Seconds
    next_update: Seconds
    added_at: Seconds
    added_by: str
    bundle: str | None
    etag: Etag


class EkCrlsAddedOut(TypedDict):
    """How many lists are new, and these."""

    added: int
    items: list[EkCrlOut]


class EkTrustOut(TypedDict):
    """What names the trust store as it is, and how much is in it."""

    version: int
    digest: Digest
    certificates: int
    crls: int
    crls_required: bool


class EkDifference(TypedDict):
    """What goes and what comes."""

    before: Digest
    added: list[Named]
    removed: list[Named]


class EkBundleOut(EkDifference):
    """What a bundle brought and took; ``version`` null: nothing was changed."""

    version: int | None


class BundleNameOut(TypedDict):
    """Which bundle it was."""

    name: str
    version: str
    digest: Digest


class _EkVersion(TypedDict):
    version: int
    digest: Digest
    cause: str
    bundle: BundleNameOut | None
    at: Seconds
    by: str


class EkVersionOut(_EkVersion):
    """A version of the trust store, and how much it brought and took."""

    added: int
    removed: int


class EkVersionWholeOut(_EkVersion):
    """A version of the trust store, with what it brought and took."""

    added: list[Named]
    removed: list[Named]


class TrustOut(TypedDict):
    """Whom vouchers are taken from, by fingerprint and certificate."""

    manufacturers: list[Digest]
    device_cas_pem: str
    identity_cas_pem: str


ClassCountOut = TypedDict(
    "ClassCountOut", {"ek_class": str, "class": str, "count": int}
)
"""How many owned devices are bound in one way."""


class SecurityOut(TypedDict):
    """Counts over all owned devices, seconds old; and whom and what is trusted."""

    states: dict[str, int]
    owned: int
    unbound: int
    frozen: int
    unproven_removals: int
    classes: list[ClassCountOut]
    trust: TrustOut
    ek_roots: int
    ek_crls: int
    ek_trust: Digest
    ek_acceptances: int
    keylime: str
    insecure: list[str]
