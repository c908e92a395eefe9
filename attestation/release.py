"""The gate: may this device have its manifests now, and if not, why not.

``decide`` is total and pure. Every rule must find its fact and be satisfied by it; a
fact that is not known denies. All rules are asked, so a denial names all that is wrong.
"""

from dataclasses import dataclass
from typing import Self

from attestation.decision import (
    Allow,
    Decision,
    Deny,
    DenyCode,
    Reason,
    decision_from_json,
    decision_to_json,
)
from attestation.facts import Facts
from attestation.json_read import JsonObject
from attestation.policy import ReleasePolicy
from attestation.release_rules import RULES, good_until, never_appraised, span

__all__ = [
    "Allow",
    "DecisionRecord",
    "Deny",
    "DenyCode",
    "Reason",
    "decide",
    "replay",
    "span",
]


def decide(facts: Facts, policy: ReleasePolicy, now: int) -> Decision:
    """Allow only if every rule is satisfied by a known fact.

    Args:
        facts: As known at ``now``.
        policy: What this release asks for.
        now: Seconds since 1970, UTC.
    """
    found = [rule(facts, policy, now) for rule in RULES]
    against = tuple(dict.fromkeys(one for one in found if isinstance(one, Reason)))
    until = good_until(facts, policy)
    if against or until is None:
        return Deny(against or (never_appraised(),))
    return Allow(tuple(one for one in found if isinstance(one, str)), until)


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """Inputs and outcome of one ``decide``."""

    facts: Facts
    policy: ReleasePolicy
    now: int
    decision: Decision

    @classmethod
    def make(cls, facts: Facts, policy: ReleasePolicy, now: int) -> Self:
        return cls(facts, policy, now, decide(facts, policy, now))

    def to_json(self) -> dict[str, object]:
        return {
            "facts": self.facts.to_json(),
            "policy": self.policy.to_json(),
            "now": self.now,
            "decision": decision_to_json(self.decision),
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, ("facts", "policy", "now", "decision"), "record")
        return cls(
            Facts.from_json(fields.raw("facts")),
            ReleasePolicy.from_json(fields.raw("policy")),
            fields.integer("now"),
            decision_from_json(fields.raw("decision")),
        )


def replay(stored: DecisionRecord) -> Decision:
    """Decide again on the stored inputs; if another, a rule has changed."""
    return decide(stored.facts, stored.policy, stored.now)
