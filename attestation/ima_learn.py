"""Make a runtime policy out of one machine's IMA list, in Keylime's own form.

What a machine measured is allowed, and nothing else. Patterns that leave files out,
keyrings that are not looked at and keys that verify signatures are people's choices:
they come from the policy before.
"""

import json
from collections.abc import Iterator, Sequence

from attestation.errors import PolicyError
from attestation.policy import canonical
from attestation.runtime_policy import MAX_RUNTIME_POLICY, excluded, read_runtime_policy
from hw.ima import IMA_PCR, Measurement

_JUDGED = ("ima", "ima-ng", "ima-sig", "ima-buf")  # templates that Keylime can read
_BANKS = {20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}  # of template hashes
_BUFFER = "ima-buf"
_LISTS = ("digests", "keyrings", _BUFFER)


def learn_runtime(
    entries: Sequence[Measurement], before: bytes = b"", *, update: bool = False
) -> bytes:
    """The policy under which Keylime passes this very list, as JSON in bytes.

    Args:
        entries: The whole list, held to a quote.
        before: The policy in force, as it is stored; its choices are kept.
        update: Allow what the policy before allows as well.

    Raises:
        PolicyError: Keylime would fail the list whatever the policy says, as an entry
            is one that it refuses; or the policy would be over 8 MiB.
    """
    if not entries:
        raise PolicyError("the device has measured nothing that could be learnt")
    for one in entries:
        _require_judged(one)
    old = json.loads(before) if before else {}
    document = {
        "meta": {"version": 1, "generator": 3},
        "release": 0,
        **_allowed(entries, old, update=update),
        **_chosen(old, _BANKS[len(entries[0].template_hash)]),
    }
    body = canonical(document)
    if len(body) > MAX_RUNTIME_POLICY:
        raise PolicyError(
            f"the runtime policy would be over {MAX_RUNTIME_POLICY} bytes"
        )
    read_runtime_policy(body)
    return body


def runtime_lines(body: bytes) -> Iterator[str]:
    """One line for each thing that a runtime policy says, in order."""
    document = json.loads(body)
    for name, digests in sorted(document.get("digests", {}).items()):
        yield from (f"file {name}: {one}" for one in digests)
    for kind in ("keyrings", _BUFFER):
        for name, digests in sorted(document.get(kind, {}).items()):
            yield from (f"{kind} {name}: {one}" for one in digests)
    yield from (f"excludes: {one}" for one in document.get("excludes", []))
    for key, value in sorted(document.items()):
        if key not in (*_LISTS, "excludes", "meta") and value:
            yield f"{key}: {json.dumps(value, sort_keys=True)}"


def runtime_changes(before: bytes, after: bytes) -> tuple[str, ...]:
    """Lines that went (``- ``) and came (``+ ``), sorted by what they speak of.

    Lists have tens of thousands of lines, so they are compared as sets.
    """
    old = set(runtime_lines(before)) if before else set()
    new = set(runtime_lines(after)) if after else set()
    changed = [(one, "- ") for one in old - new] + [(one, "+ ") for one in new - old]
    return tuple(sign + line for line, sign in sorted(changed, key=_place))


def _place(change: tuple[str, str]) -> tuple[str, bool, str]:
    """By what it speaks of; what went before what came."""
    said, sign = change
    return said.rpartition(": ")[0], sign == "+ ", said


def _require_judged(entry: Measurement) -> None:
    """Refuse what Keylime 7.14.3 fails whatever is allowed."""
    if entry.violation:
        raise PolicyError(
            f"{entry}: the file changed while it was read, which fails under any"
            " policy; start the device anew, and have it show itself again"
        )
    if entry.template not in _JUDGED or entry.pcr != IMA_PCR:
        raise PolicyError(
            f"{entry}: Keylime judges templates {', '.join(_JUDGED)} in PCR {IMA_PCR},"
            f" not {entry.template} in PCR {entry.pcr}"
        )


def _chosen(old: dict[str, object], bank: str) -> dict[str, object]:
    """Choices of the policy before, or none; how the list is read is the list's."""
    ima = old.get("ima")
    choices = ima if isinstance(ima, dict) else {}
    none: dict[str, object] = {"ignored_keyrings": [], "dm_policy": None}
    return {
        "excludes": old.get("excludes", []),
        "ima": {**none, **choices, "log_hash_alg": bank},
        "verification-keys": old.get("verification-keys", ""),
    }


def _allowed(
    entries: Sequence[Measurement], old: dict[str, object], *, update: bool
) -> dict[str, object]:
    """Names and their digests, sorted; of the policy before, too, if it is to stay."""
    found: dict[str, dict[str, set[str]]] = {kind: {} for kind in _LISTS}
    for kind in _LISTS if update else ():
        members = old.get(kind)
        for name, digests in members.items() if isinstance(members, dict) else ():
            found[kind].setdefault(name, set()).update(digests)
    left_out = excluded(old)
    for one in entries:
        if left_out(one.name):
            continue
        # A buffer may be a key: Keylime then looks for it under "keyrings".
        for kind in ("keyrings", _BUFFER) if one.template == _BUFFER else ("digests",):
            found[kind].setdefault(one.name, set()).add(one.digest.hex())
    return {
        kind: {name: sorted(names[name]) for name in sorted(names)}
        for kind, names in found.items()
    }
