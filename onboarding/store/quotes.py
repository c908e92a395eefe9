"""Quotes as TPMs gave them, as long as an appraisal rests on them."""

from onboarding.store.database import Database
from onboarding.store.direct import Connection, Sql
from onboarding.store.errors import InvalidRecord, NotFound

_LIMIT = 16 * 1024
_INSERT = Sql(
    "INSERT INTO quotes (digest, at, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_GET = Sql("SELECT body FROM quotes WHERE digest = ?")
_PRUNE = Sql(
    "DELETE FROM quotes WHERE at < ? AND digest NOT IN "
    "(SELECT evidence_digest FROM appraisals)"
)


def add(connection: Connection, digest: bytes, at: int, body: bytes) -> None:
    """Keep a quote under the digest that its appraisal names, in the open transaction.

    Raises:
        InvalidRecord: It is empty or over 16 KiB.
    """
    if not 0 < len(body) <= _LIMIT:
        raise InvalidRecord("a quote has 1 byte to 16 KiB")
    connection.count(_INSERT, (digest, at, body))


class QuoteStore:
    """Quotes by the digest of what the TPM said."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def get(self, digest: bytes) -> bytes:
        """Raises NotFound when it is not kept (any more)."""
        row = self._direct.one(_GET, (digest,))
        if row is None:
            raise NotFound(f"no quote {digest.hex()} is kept")
        return bytes(row[0])

    def prune(self, before: int) -> int:
        """Forget those older than ``before`` that no appraisal names."""
        return self._direct.count(_PRUNE, (before,))
