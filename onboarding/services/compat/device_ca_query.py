"""What go-fdo-server lets one ask of its device CAs: which, in what order, and how."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated

from cryptography import x509
from fastapi import Query, Request

from onboarding.services.compat.answers import PEM_TYPE
from onboarding.services.errors import Problem
from onboarding.services.trust import read_certificates

MAX_OFFERED = 256  # certificates in one file
_BLOCK = re.compile(
    r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----", re.ASCII
)

Count = Annotated[int, Query(ge=0, le=2**31 - 1)]
Words = Annotated[str, Query(max_length=1000)]


class Validity(Enum):
    """What a certificate's dates say of now."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET = "not-yet-valid"


class Order(Enum):
    """Which of two comes first; the list is in the order in which they were added."""

    ADDED = "createdAt"
    NOT_BEFORE = "notBefore"
    NOT_AFTER = "notAfter"
    SUBJECT = "subject"
    ISSUER = "issuer"


class Direction(Enum):
    UP = "asc"
    DOWN = "desc"


_KEYS: dict[Order, Callable[[x509.Certificate], str | datetime]] = {
    Order.NOT_BEFORE: lambda one: one.not_valid_before_utc,
    Order.NOT_AFTER: lambda one: one.not_valid_after_utc,
    Order.SUBJECT: lambda one: name(one.subject),
    Order.ISSUER: lambda one: name(one.issuer),
}


@dataclass(frozen=True, slots=True)
class Page:
    """The query, by its own parameters' names; an empty text asks for nothing."""

    limit: Count = 20
    offset: Count = 0
    issuer: Words = ""
    subject: Words = ""
    search: Words = ""
    validityStatus: Validity | None = None
    sortBy: Order = Order.ADDED
    sortOrder: Direction = Direction.UP

    def among(
        self, known: Sequence[x509.Certificate], now: int
    ) -> tuple[Sequence[x509.Certificate], int]:
        """Return those of the page, and how many there are on all pages together."""
        found = [one for one in known if self._fits(one, now)]
        if self.sortBy in _KEYS:
            found.sort(key=_KEYS[self.sortBy])
        if self.sortOrder is Direction.DOWN:
            found.reverse()
        end = self.offset + self.limit if self.limit else None
        return found[self.offset : end], len(found)

    def _fits(self, one: x509.Certificate, now: int) -> bool:
        subject, issuer = name(one.subject), name(one.issuer)
        part = self.search.casefold()
        return (
            self.subject in ("", subject)
            and self.issuer in ("", issuer)
            and (part in subject.casefold() or part in issuer.casefold())
            and self.validityStatus in (None, validity(one, now))
        )


def validity(one: x509.Certificate, now: int) -> Validity:
    """Say it of a time, in seconds since 1970."""
    then = datetime.fromtimestamp(now, UTC)
    if one.not_valid_after_utc <= then:
        return Validity.EXPIRED
    return Validity.NOT_YET if one.not_valid_before_utc > then else Validity.VALID


def name(one: x509.Name) -> str:
    """Write a name as the other server writes it: the last part first."""
    return one.rfc4514_string()


def offered(pem: str) -> Iterator[x509.Certificate | None]:
    """Read the certificates of a file; None stands for one that cannot be read.

    Other blocks, and what stands between them, are passed over.

    Raises:
        Problem: 422; no certificate is in it, or too many.
    """
    blocks = [found[0] for found in _BLOCK.finditer(pem)]
    if not blocks:
        raise Problem(422, "not-certificates", "The text is not PEM certificates.")
    if len(blocks) > MAX_OFFERED:
        raise Problem(422, "limits", f"At most {MAX_OFFERED} certificates at once.")
    return map(_read, blocks)


def _read(block: str) -> x509.Certificate | None:
    try:
        (one,) = read_certificates(block)
    except Problem:
        return None
    return one


def wants_pem(request: Request) -> bool:
    """Whether PEM is asked for rather than JSON. Source: RFC 9110, section 12.5.1."""
    asked = request.headers.get("accept", "")[:1000]
    weights = dict(map(_weight, reversed(asked.split(","))))
    return weights.get(PEM_TYPE, 0.0) > weights.get("application/json", 0.0)


def _weight(part: str) -> tuple[str, float]:
    kind, _, rest = part.partition(";")
    found = re.search(r"\bq=([01](?:\.[0-9]{0,3})?)\s*$", rest)
    return kind.strip().lower(), float(found[1]) if found else 1.0
