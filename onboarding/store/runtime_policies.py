"""Runtime policies, as they were given, by digest."""

import hashlib

from onboarding.store.database import Database
from onboarding.store.direct import Sql
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import RuntimePolicyRow

_LIMIT = 8 * 1024 * 1024
_GET = Sql("SELECT body FROM runtime_policies WHERE digest = ?")


class RuntimePolicyStore:
    """Never changed once stored: policies rest on them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, body: bytes, actor: str, at: int) -> bool:
        """Store one; False when it was stored before.

        Raises:
            InvalidRecord: It is empty or over 8 MiB.
        """
        if not 0 < len(body) <= _LIMIT:
            raise InvalidRecord("a runtime policy has 1 byte to 8 MiB")
        digest = hashlib.sha256(body).digest()
        with self._database.transaction() as writing:
            if writing.session.get(RuntimePolicyRow, digest) is not None:
                return False
            writing.session.add(
                RuntimePolicyRow(
                    digest=digest, body=body, created_at=at, created_by=actor
                )
            )
            writing.log(Event("runtime_policy.stored", actor, at, None, digest))
        return True

    def get(self, digest: bytes) -> bytes:
        """Raises NotFound when there is none of that digest."""
        row = self._database.direct.one(_GET, (digest,))
        if row is None:
            raise NotFound(f"there is no runtime policy {digest.hex()}")
        return bytes(row[0])
