"""Groups of routes that an API key can be for: the tags of the OpenAPI document."""

from collections.abc import Iterable

from onboarding.services.errors import Problem
from onboarding.store.errors import InvalidRecord

LOOKING = ":read"
GROUPS = frozenset(
    {"api-keys", "audit", "decisions", "device-keys", "devices", "diagnosis", "keys"}
    | {"lines", "made", "manifests", "passports", "policies", "rendezvous", "security"}
    | {"service-info", "site", "trust", "verifiers", "vouchers", "webhooks"}
)


def scope_of(tag: str) -> str:
    """How a group of routes is called in a key's scopes."""
    return tag.replace(" ", "-")


def require_groups(scopes: Iterable[str]) -> None:
    """Refuse a key for routes that there are not: it would be good for nothing.

    Raises:
        InvalidRecord: A scope names no group of routes of any service.
    """
    unknown = {one.removesuffix(LOOKING) for one in scopes} - GROUPS
    if unknown:
        raise InvalidRecord(
            f"there is no group of routes {min(unknown)!r}; there are "
            f"{', '.join(sorted(GROUPS))}"
        )


def require_no_more(own: Iterable[str], scopes: Iterable[str]) -> None:
    """Refuse that a key with scopes makes one that opens more than it does itself.

    Args:
        own: Of who asks; none are all routes.
        scopes: Of the key to be made.

    Raises:
        Problem: 403.
    """
    held, asked = frozenset(own), frozenset(scopes)
    if not held:
        return
    beyond = {one for one in asked if not {one, one.removesuffix(LOOKING)} & held}
    if beyond or not asked:
        raise Problem(
            403,
            "scope-refused",
            "This key can make keys for its own groups of routes only.",
            remedy=f"Name scopes of these: {', '.join(sorted(held))}.",
        )
