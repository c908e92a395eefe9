"""How two copies of a voucher stand to each other, judged by digests alone."""

from enum import StrEnum, unique

from onboarding.store.errors import InvalidRecord

DIGEST_SIZE = 32
MAX_ENTRIES = 255


@unique
class Relation(StrEnum):
    """What an offered voucher is to the stored one of the same GUID."""

    SAME = "same"
    EXTENDS = "extends"
    OLDER = "older"
    FOREIGN = "foreign"


def relation(
    stored_header: bytes, stored: bytes, offered_header: bytes, offered: bytes
) -> Relation:
    """Compare header digests, then the digests of the entries, oldest first.

    A chain that forks from the stored one is foreign, however long it is.
    Source: FDO 1.1, section 5.3 (re-registration) and 3.4 (extension).
    """
    if stored_header != offered_header:
        return Relation.FOREIGN
    if stored == offered:
        return Relation.SAME
    if offered.startswith(stored):
        return Relation.EXTENDS
    if stored.startswith(offered):
        return Relation.OLDER
    return Relation.FOREIGN


def join(digests: tuple[bytes, ...]) -> bytes:
    """One column out of many digests.

    Raises:
        InvalidRecord: There are over 255, or one is not 32 bytes.
    """
    if len(digests) > MAX_ENTRIES or any(len(d) != DIGEST_SIZE for d in digests):
        raise InvalidRecord("entry digests must be at most 255 of 32 bytes")
    return b"".join(digests)


def split(column: bytes) -> tuple[bytes, ...]:
    """The digests that ``join`` joined."""
    steps = range(0, len(column), DIGEST_SIZE)
    return tuple(column[at : at + DIGEST_SIZE] for at in steps)
