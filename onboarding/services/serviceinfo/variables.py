"""Variables in a plan's parameters, such as ``{devmod.arch}``; ``{{`` is a brace."""

import re
from collections.abc import Callable, Mapping

from onboarding.protocol.invocation import VARIABLES

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_BRACES = {"{{": "{", "}}": "}"}


def names_in(value: object) -> frozenset[str]:
    """Return every variable that is named anywhere in ``value`` (JSON).

    Raises:
        ValueError: One that there is not, or a brace that stands alone.
    """
    found: set[str] = set()

    def note(name: str) -> str:
        found.add(name)
        return ""

    _mapped(value, note)
    return frozenset(found)


def filled(value: object, values: Mapping[str, str]) -> object:
    """Return ``value`` with each variable replaced. Raises ValueError as above."""
    return _mapped(value, lambda name: values[name])


def _mapped(value: object, look_up: Callable[[str], str]) -> object:
    """Members' names are ours, and hold no variables."""
    match value:
        case str():
            return _TOKEN.sub(lambda token: _replaced(token, look_up), value)
        case list():
            return [_mapped(one, look_up) for one in value]
        case dict():
            return {name: _mapped(one, look_up) for name, one in value.items()}
        case _:
            return value


def _replaced(token: re.Match[str], look_up: Callable[[str], str]) -> str:
    text, name = token.group(), token.group(1)
    if text in _BRACES:
        return _BRACES[text]
    if name is None:
        raise ValueError("a brace stands alone: write it twice to mean itself")
    if name not in VARIABLES:
        raise ValueError(f"there is no variable {text}, only {', '.join(VARIABLES)}")
    return look_up(name)
