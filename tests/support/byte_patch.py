"""What makes one byte string of another, written short: for vectors with one change."""

Patch = list[tuple[int, int, str]]
"""Where in the old bytes, how many of them go, and what comes (hexadecimal)."""

_ANCHOR = 8  # bytes that must be the same for two places to be one


def patch(old: bytes, new: bytes) -> Patch:
    """Return what ``patched`` makes ``new`` of ``old`` with."""
    found: Patch = []
    at, to = 0, 0
    while True:
        while at < len(old) and to < len(new) and old[at] == new[to]:
            at, to = at + 1, to + 1
        if at == len(old) and to == len(new):
            return found
        next_at, next_to = _meeting(old, at, new, to)
        found.append((at, next_at - at, new[to:next_to].hex()))
        at, to = next_at, next_to


def _meeting(old: bytes, at: int, new: bytes, to: int) -> tuple[int, int]:
    """Where both are the same again, or the end of both."""
    for start in range(at, len(old) - _ANCHOR + 1):
        found = new.find(old[start : start + _ANCHOR], to)
        if found >= 0:
            return start, found
    return len(old), len(new)


def patched(old: bytes, changes: Patch) -> bytes:
    """Return ``old`` with the changes made."""
    parts, at = [], 0
    for where, gone, come in changes:
        parts += [old[at:where], bytes.fromhex(come)]
        at = where + gone
    return b"".join((*parts, old[at:]))
