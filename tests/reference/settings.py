"""docs/reference/settings.md from the classes of settings: names, types, bounds, words.

Everything between the two marks of that page is written here; what is around them is
people's.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from onboarding.services.settings import Settings
from onboarding.services.settings_access import AccessSettings
from onboarding.services.settings_keylime import AttestationSettings
from onboarding.services.settings_keys import KeySettings
from onboarding.services.settings_manufacturing import ManufacturingSettings
from onboarding.services.settings_owner import OwnerSettings
from onboarding.services.settings_rendezvous import (
    AskedRendezvousSettings,
    RendezvousSettings,
)
from onboarding.services.settings_service import ServiceSettings
from tests.reference.page import between

PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"
MARK = "written by `make reference` from the classes of settings"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """One table, of one class, under its heading."""

    heading: str
    of: type[BaseSettings]


SECTIONS = (
    Section("## Every service", ServiceSettings),
    Section("### Keys", KeySettings),
    Section("### Identity providers", AccessSettings),
    Section("## Manufacturing", ManufacturingSettings),
    Section("## Rendezvous", RendezvousSettings),
    Section("## Owner", OwnerSettings),
    Section("### Its rendezvous service", AskedRendezvousSettings),
    Section("### Keylime", AttestationSettings),
)


def written() -> str:
    """The page as it should be. Raises ValueError if it has not its two marks."""
    return between(PAGE, MARK, "\n".join(map(_section, SECTIONS)))


def _section(section: Section) -> str:
    intro = inspect.cleandoc(section.of.__doc__ or "")
    rows = "".join(_rows(section.of))
    head = "| setting | type | default | meaning |\n| --- | --- | --- | --- |\n"
    return f"{section.heading}\n\n{intro}\n\n{head}{rows}"


def fields_of(of: type[BaseSettings]) -> tuple[str, ...]:
    """What a class adds, in its order."""
    return tuple(name for name in of.model_fields if name in of.__annotations__)


def _rows(of: type[BaseSettings]) -> Iterator[str]:
    whole = Settings.model_json_schema()
    for name in fields_of(of):
        schema, field = whole["properties"][name], Settings.model_fields[name]
        variable = f"`{Settings.model_config['env_prefix']}{name.upper()}`"
        default = _default(field.get_default(call_default_factory=True))
        kind = _type(schema, whole["$defs"])
        cells = variable, kind, default, field.description or ""
        yield f"| {' | '.join(one.replace('|', '&#124;') for one in cells)} |\n"


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | dict):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def _type(schema: Schema, known: Mapping[str, Schema]) -> str:
    """A type and its bounds, in words."""
    for one in schema.get("anyOf", ()):
        if one.get("type") != "null":
            return _type(one, known)
    if "$ref" in schema:
        named = known[schema["$ref"].rpartition("/")[2]]
        if "enum" in named or "const" in named:
            values = named.get("enum", [named.get("const")])
            return ", ".join(f"`{one}`" for one in values)
        return "JSON object"
    kinds = {
        "array": "JSON list",
        "object": "JSON object",
        "boolean": "`true`, `false`",
        "string": "path" if schema.get("format") == "path" else "text",
    }
    kind = str(schema["type"])
    return kinds.get(kind, kind) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    if "pattern" in schema:
        return f" like `{schema['pattern']}`"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {least} to {most}"
    if "exclusiveMinimum" in schema:
        return f", over {schema['exclusiveMinimum']}"
    if least is not None:
        return f", {least} or more"
    if "maxLength" in schema:
        return f", {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return ""
