"""An owner's diagnosis and its rendezvous server's, made one: for service and command.

Pure, and without the rest of the services, so that a command costs little.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

GUIDS_ASKED = 4  # of one device: the first ones
UNKNOWN = "unknown"
OPEN_ENDED = ("not-seen", UNKNOWN)  # the owner knows no more; the other one may
_LISTS = ("guids", "runs", "failed_modules")


def is_diagnosis(found: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether an answer is what `GET /api/v1/diagnosis` says."""
    return (
        isinstance(found, Mapping)
        and all(isinstance(found.get(name), str) for name in ("why", "next"))
        and all(isinstance(found.get(name), list) for name in _LISTS)
        and isinstance(found.get("to1", {}), Mapping | None)
    )


def asked_at(
    guids: Sequence[str], ask: Callable[[str], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Ask by one GUID after the other until one was seen in TO1.

    A rendezvous server does not know which GUIDs are one device's: that it was there
    stands under the one it had then. If it was never there, the first answer counts.
    """
    first: Mapping[str, Any] | None = None
    for guid in guids[:GUIDS_ASKED]:
        found = ask(guid)
        if (found.get("to1") or {}).get("seen"):
            return found
        first = first or found
    if first is None:
        raise ValueError("there is no GUID to ask by")
    return first


def joined(
    owner: Mapping[str, Any], url: str, seen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the owner's answer, or the rendezvous server's where it knows more."""
    more = owner["why"] in OPEN_ENDED and seen["why"] != UNKNOWN
    return {
        **owner,
        "why": (seen if more else owner)["why"],
        "next": _of_both(owner, url, seen) if more else owner["next"],
        "to1": seen.get("to1"),
        "rendezvous": {**seen, "url": url, "error": None},
    }


def _of_both(owner: Mapping[str, Any], url: str, seen: Mapping[str, Any]) -> str:
    """What the rendezvous server says, whose "here" is not the owner's."""
    told = f"At {url}: {seen['next']}"
    if owner["why"] != UNKNOWN:
        return told
    return (
        f"{told} The owner knows no voucher for it: import that, and it is registered."
    )


def unheard(owner: Mapping[str, Any], url: str, error: str) -> dict[str, Any]:
    """Return the owner's answer, and that the rendezvous server gave none."""
    return {**owner, "rendezvous": {"url": url, "error": error}}
