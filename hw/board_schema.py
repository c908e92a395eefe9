"""The schema of board files, held to: as much of JSON Schema as ``schema.json`` uses.

So what an editor underlines and what a service refuses are the same, and machines do
without a library for it.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

_KINDS: dict[str, type] = {
    "array": list, "boolean": bool, "integer": int, "object": dict, "string": str,
}  # fmt: skip
_SILENT = frozenset({"$schema", "title", "description"})


def read_document(data: bytes) -> dict[str, Any]:
    """Read a board's file.

    Raises:
        ValueError: It is no JSON, has a name twice, or is not as the schema says.
        RecursionError: It is too deep.
    """
    document = json.loads(data, object_pairs_hook=_once)
    _hold("the file", document, _schema())
    found: dict[str, Any] = document
    return found


@cache
def _schema() -> Mapping[str, Any]:
    text = resources.files("hw").joinpath("boards", "schema.json").read_text()
    found: Mapping[str, Any] = json.loads(text)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _hold(where: str, value: Any, schema: Mapping[str, Any]) -> None:
    # The type first: what the others ask makes sense of that type only.
    for keyword in sorted(schema.keys() - _SILENT, key="type".__ne__):
        _RULES[keyword](where, value, schema[keyword], schema)


def _require(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise ValueError(f"{where} {what}")


Rule = Callable[[str, Any, Any, Mapping[str, Any]], None]


def _type(where: str, value: Any, kind: str, _: Mapping[str, Any]) -> None:
    # Of Python's kinds, truth is a number, too.
    _require(type(value) is _KINDS[kind], where, f"is no {kind}")


def _items(where: str, value: Any, schema: Any, _: Mapping[str, Any]) -> None:
    for at, one in enumerate(value if isinstance(value, list) else []):
        _hold(f"{where}[{at}]", one, schema)


def _properties(where: str, value: Any, schemas: Any, _: Mapping[str, Any]) -> None:
    for name in schemas.keys() & _names(value):
        _hold(name, value[name], schemas[name])


def _additional(
    where: str, value: Any, allowed: Any, schema: Mapping[str, Any]
) -> None:
    for name in _names(value) - schema.get("properties", {}).keys():
        _require(allowed is not False, where, f"has {name[:64]!r}, which is no field")
        _hold(name, value[name], allowed)


def _property_names(where: str, value: Any, schema: Any, _: Mapping[str, Any]) -> None:
    for name in _names(value):
        _hold(f"a name in {where}", name, schema)


def _names(value: Any) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def _at_least(where: str, value: Any, limit: int, _: Mapping[str, Any]) -> None:
    _require(len(value) >= limit, where, f"has {len(value)}, the least is {limit}")


def _at_most(where: str, value: Any, limit: int, _: Mapping[str, Any]) -> None:
    _require(len(value) <= limit, where, f"has {len(value)}, the most is {limit}")


_RULES: dict[str, Rule] = {
    "type": _type,
    "const": lambda w, v, one, _: _require(v == one, w, f"is not {one!r}"),
    "enum": lambda w, v, some, _: _require(v in some, w, f"is none of {some}"),
    "pattern": lambda w, v, form, _: _require(
        bool(re.fullmatch(form, v)), w, f"is not like {form}"
    ),
    "minimum": lambda w, v, least, _: _require(v >= least, w, f"is under {least}"),
    "maximum": lambda w, v, most, _: _require(v <= most, w, f"is over {most}"),
    "minLength": _at_least,
    "maxLength": _at_most,
    "minItems": _at_least,
    "maxItems": _at_most,
    "minProperties": _at_least,
    "uniqueItems": lambda w, v, _, __: _require(
        len(set(map(repr, v))) == len(v), w, "has one twice"
    ),
    "required": lambda w, v, names, _: _require(
        not set(names) - _names(v), w, f"lacks one of {', '.join(names)}"
    ),
    "items": _items,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
}
