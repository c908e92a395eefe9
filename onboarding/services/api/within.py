"""Keys for some devices only: how each route keeps to those, or is closed to them.

A route that says nothing is closed. A device that is out of a key's sight is told from
none at all by nobody: both are 404, in the same words.
"""

from collections.abc import Callable
from enum import StrEnum, unique

from fastapi import Request

from onboarding.services.api.fields import parse_guid
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.store.device_filter import Labels
from onboarding.store.errors import NotFound
from onboarding.store.key_limits import Limits


@unique
class Reach(StrEnum):
    """How a route keeps to the devices that a key is limited to."""

    NAMED = "named"  # its path names the device, or the line: looked up before it runs
    OWN = "own"  # it asks its stores for those devices alone
    OPEN = "open"  # it says nothing of any one device


def require_within(
    limits: Limits, request: Request, labels: Reach | None, lines: Reach | None
) -> None:
    """Refuse a route that does not keep to the limits, and a device that is beyond.

    Args:
        labels: How the route keeps to devices with some labels; None: it does not.
        lines: Likewise to devices that were made on some lines.

    Raises:
        Problem: 403, the route is closed to such keys.
        NotFound: 404, for the key there is no such device, or line.
    """
    context: Context = request.app.state.context
    if limits.labels:
        _keep(labels, lambda: _labelled(context, request, limits.labels))
    if limits.lines:
        _keep(lines, lambda: _of_line(context, request, limits.lines))


def _keep(reach: Reach | None, look: Callable[[], None]) -> None:
    if reach is None:
        raise Problem(
            403,
            "scope-refused",
            "This key is for some devices only, and this route is about more.",
            remedy="Use a key that is not limited by labels or production lines.",
        )
    if reach is Reach.NAMED:
        look()


def _labelled(context: Context, request: Request, labels: Labels) -> None:
    guid = parse_guid(request.path_params["guid"])
    context.stores.devices.get(guid.raw, labels)


def _of_line(context: Context, request: Request, lines: tuple[str, ...]) -> None:
    asked = request.path_params
    if "guid" in asked:
        context.stores.made.get(parse_guid(asked["guid"]).raw, lines)
    else:
        require_line(asked["name"], lines)


def require_line(name: str, lines: tuple[str, ...]) -> None:
    """Raises NotFound: the line is beyond these; without any, none is."""
    if lines and name not in lines:
        raise NotFound(f"there is no production line {name}")
