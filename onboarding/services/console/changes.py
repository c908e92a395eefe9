"""What differs between two versions of a policy, value by value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# What tells versions apart anyway.
_ABOUT = frozenset({"name", "version", "kind", "digest", "created_at", "created_by"})


@dataclass(frozen=True, slots=True)
class Change:
    """One member of a policy: which values it lost, got, and kept."""

    path: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    kept: tuple[str, ...]


def changes(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[Change, ...]:
    """Return each member that is not the same, by its path."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = (
        _change(path, old.get(path, ()), new.get(path, ()))
        for path in sorted({*old, *new})
    )
    return tuple(one for one in found if one.removed or one.added)


def members(policy: Mapping[str, object]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return every member of a policy and its values."""
    return tuple(_flat(policy))


def _change(path: str, old: tuple[str, ...], new: tuple[str, ...]) -> Change:
    return Change(
        path,
        tuple(one for one in old if one not in new),
        tuple(one for one in new if one not in old),
        tuple(one for one in new if one in old),
    )


def _flat(policy: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, value in policy.items():
        if name not in _ABOUT:
            yield from _values(name, value)


def _values(path: str, value: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    match value:
        case Mapping():
            if not value:
                yield path, ()
            for name, inner in value.items():
                yield from _values(f"{path} {name}", inner)
        case [Mapping() as lone]:
            # Under no name of its own, so that another name is one member's change.
            yield from _values(path, lone)
        case [Mapping(), *_]:
            for place, inner in enumerate(value):
                yield from _values(f"{path} {_name(inner, place)}", inner)
        case list() | tuple():
            yield path, tuple(_text(one) for one in value)
        case _:
            yield path, () if value is None else (str(value),)


def _name(item: object, place: int) -> str:
    named = item.get("name") if isinstance(item, Mapping) else None
    return str(place + 1 if named is None else named)


def _text(item: object) -> str:
    """One value; of several that belong together, the words first."""
    if isinstance(item, list | tuple):
        return " ".join(str(one) for one in reversed(item))
    return str(item)
