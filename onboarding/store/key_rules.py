"""What a rendezvous server's operator said of single keys: allowed, denied, quota."""

from dataclasses import dataclass
from enum import StrEnum, unique

from onboarding.store.database import Database
from onboarding.store.direct import Row, Sql
from onboarding.store.errors import InvalidRecord, NotFound
from onboarding.store.events import Event, append
from onboarding.store.pages import Page, bytes_cursor, clamp
from onboarding.store.seen import Seen

MAX_QUOTA = 2**31 - 1

_GET = Sql(
    "SELECT holder, fingerprint, verdict, quota, reason, set_at, set_by "
    "FROM key_rules WHERE holder = ? AND fingerprint = ?"
)
_PAGE = Sql(
    "SELECT holder, fingerprint, verdict, quota, reason, set_at, set_by "
    "FROM key_rules WHERE holder = ? AND fingerprint > ? ORDER BY fingerprint LIMIT ?"
)
_PUT = Sql(
    "INSERT INTO key_rules (holder, fingerprint, verdict, quota, reason, set_at, "
    "set_by) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (holder, fingerprint) "
    "DO UPDATE SET verdict = excluded.verdict, quota = excluded.quota, "
    "reason = excluded.reason, set_at = excluded.set_at, set_by = excluded.set_by"
)
_REMOVE = Sql("DELETE FROM key_rules WHERE holder = ? AND fingerprint = ?")
_ADMISSION = Sql(
    "SELECT (SELECT verdict FROM key_rules "
    "WHERE holder = 'manufacturer' AND fingerprint = ?), "
    "(SELECT verdict FROM key_rules WHERE holder = 'owner' AND fingerprint = ?), "
    "EXISTS (SELECT 1 FROM key_rules WHERE holder = 'owner' AND verdict = 'allow')"
)


@unique
class Holder(StrEnum):
    """Whose key a rule is about."""

    OWNER = "owner"
    MANUFACTURER = "manufacturer"


@unique
class Verdict(StrEnum):
    """Whether the key's vouchers are taken."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class KeyRule:
    """One key, by the SHA-256 of its SubjectPublicKeyInfo (hexadecimal).

    ``quota`` is how many registrations an owner may hold, None for the server's
    default. A rule needs a verdict or a quota; only an owner can be allowed or have
    a quota: which manufacturers are trusted is the trust list's word.
    """

    holder: Holder
    fingerprint: str
    verdict: Verdict | None
    quota: int | None
    reason: str
    set_at: int
    set_by: str

    def __post_init__(self) -> None:
        if self.verdict is None and self.quota is None:
            raise InvalidRecord("a rule says allow, deny, or a quota")
        if self.quota is not None and not 0 <= self.quota <= MAX_QUOTA:
            raise InvalidRecord(f"a quota is 0 to {MAX_QUOTA}")
        if self.holder is Holder.MANUFACTURER and (
            self.verdict is not Verdict.DENY or self.quota is not None
        ):
            raise InvalidRecord("a manufacturer's key can only be denied")


@dataclass(frozen=True, slots=True)
class Admission:
    """What the rules say of a voucher's two ends.

    ``owners_listed``: some owner is allowed, so all others are not.
    """

    manufacturer: Verdict | None
    owner: Verdict | None
    owners_listed: bool


class KeyRuleStore:
    """Rules by key; each change is an audit event and counts from then on."""

    def __init__(self, database: Database) -> None:
        self._direct = database.direct

    def put(self, rule: KeyRule, seen: Seen[KeyRule] | None = None) -> None:
        """Set the one rule for a key. Raises Conflict if it is not as it was seen."""
        values = (
            rule.holder.value,
            rule.fingerprint,
            rule.verdict and rule.verdict.value,
            rule.quota,
            rule.reason,
            rule.set_at,
            rule.set_by,
        )
        detail = {
            "holder": rule.holder.value,
            "verdict": rule.verdict and rule.verdict.value,
            "quota": rule.quota,
            "reason": rule.reason,
        }
        digest = bytes.fromhex(rule.fingerprint)
        event = Event("key_rule.set", rule.set_by, rule.set_at, None, digest, detail)
        with self._direct.transaction() as connection:
            append(connection, event)  # first: who may write the log comes alone
            if seen is not None:
                found = connection.rows(_GET, (rule.holder.value, rule.fingerprint))
                seen.require(_rule(found[0]) if found else None)
            connection.count(_PUT, values)

    def remove(
        self,
        holder: Holder,
        fingerprint: str,
        actor: str,
        at: int,
        seen: Seen[KeyRule] | None = None,
    ) -> None:
        """Say nothing of a key any more. Raises NotFound, and Conflict as ``put``."""
        detail = {"holder": holder.value}
        digest = bytes.fromhex(fingerprint)
        with self._direct.transaction() as connection:
            append(
                connection, Event("key_rule.removed", actor, at, None, digest, detail)
            )
            if seen is not None:
                found = connection.rows(_GET, (holder.value, fingerprint))
                seen.require(_rule(found[0]) if found else None)
            if not connection.count(_REMOVE, (holder.value, fingerprint)):
                raise NotFound(f"there is no rule for that {holder.value}'s key")

    def get(self, holder: Holder, fingerprint: str) -> KeyRule:
        """Raises NotFound."""
        row = self._direct.one(_GET, (holder.value, fingerprint))
        if row is None:
            raise NotFound(f"there is no rule for that {holder.value}'s key")
        return _rule(row)

    def page(self, holder: Holder, cursor: str | None, limit: int) -> Page[KeyRule]:
        """Rules of one kind, by fingerprint."""
        count, after = clamp(limit), bytes_cursor(cursor or "").hex()
        found = self._direct.rows(_PAGE, (holder.value, after, count + 1))
        items = tuple(_rule(row) for row in found[:count])
        return Page(items, items[-1].fingerprint if len(found) > count else None)

    def admission(self, manufacturer: str, owner: str) -> Admission:
        """What is said of a voucher's manufacturer and last owner, by fingerprint."""
        row = self._direct.one(_ADMISSION, (manufacturer, owner))
        assert row is not None  # noqa: S101 - it selects without a table
        made, owned, listed = row
        return Admission(
            made and Verdict(made), owned and Verdict(owned), owners_listed=bool(listed)
        )


def _rule(row: Row) -> KeyRule:
    holder, fingerprint, verdict, quota, reason, set_at, set_by = row
    return KeyRule(
        Holder(holder),
        fingerprint,
        None if verdict is None else Verdict(verdict),
        quota,
        reason,
        set_at,
        set_by,
    )
