"""ServiceInfo modules that others wrote, found by their packages' entry points.

A package that is broken costs its own module and nothing else: what it raises when it
is loaded is kept as the reason, for the log, for ``vouchgate doctor``, and for whoever
asks for the module.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

OWNER_GROUP = "vouchgate.serviceinfo.owner"
DEVICE_GROUP = "vouchgate.serviceinfo.device"
RESERVED = ("fdo.", "fdo_", "devmod", "fido_alliance", "org.vouchgate.")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plugins:
    """What makes each module, by the module's name; and why others make none."""

    found: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=4)
def load(group: str) -> Plugins:
    """Load every entry point of ``group``, once in a process. Never raises."""
    found: dict[str, Callable[..., Any]] = {}
    broken: dict[str, str] = {}
    for point in entry_points(group=group):
        try:
            found[point.name] = _loaded(point, found)
        except Exception as error:  # noqa: BLE001 - a stranger's code, at import
            broken[point.name] = f"{type(error).__name__}: {error}"[:500]
            log.error("plug-in %s does not load: %s", point.value, broken[point.name])  # noqa: TRY400 - the reason is enough
    for name in broken:
        found.pop(name, None)
    return Plugins(found, broken)


def _loaded(point: EntryPoint, found: Mapping[str, object]) -> Callable[..., Any]:
    if point.name.startswith(RESERVED):
        raise ValueError(f"{point.name} is a name of ours")
    if point.name in found:
        raise ValueError(f"two packages bring {point.name}")
    made = point.load()
    if not callable(made):
        raise TypeError(f"{point.value} is nothing that can be called")
    return made  # type: ignore[no-any-return]
