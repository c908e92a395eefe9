"""Callers of the management API who hold no API key of ours."""

from dataclasses import dataclass

from onboarding.store.apikeys import Role
from onboarding.store.key_limits import UNLIMITED, Limits


@dataclass(frozen=True, slots=True)
class Person:
    """Who a token or a certificate speaks of, until it ends.

    ``kind`` says which: ``oidc`` or ``cert``.
    """

    id: str
    kind: str
    name: str
    roles: frozenset[Role]
    expires_at: int
    scopes: tuple[str, ...] = ()
    limits: Limits = UNLIMITED

    @property
    def actor(self) -> str:
        """How the audit log names the caller."""
        return f"{self.kind}:{self.name}"
