"""Owner modules of plug-ins, as plans take them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from onboarding.plugins import OWNER_GROUP, load
from onboarding.protocol.guard import GuardedOwner
from onboarding.protocol.modules import OwnerModule
from onboarding.services.serviceinfo.builders import Builder, Order


def plugin_builders() -> Mapping[str, Builder]:
    """Return what makes each installed module; a broken one says why it does not."""
    plugins = load(OWNER_GROUP)
    made = {name: partial(_build, name, one) for name, one in plugins.found.items()}
    broken = {name: partial(_refuse, why) for name, why in plugins.broken.items()}
    return {**made, **broken}


def _build(name: str, make: Callable[..., Any], order: Order) -> OwnerModule:
    """Make a module; whatever goes wrong there is wrong with the step."""
    try:
        inner = make(dict(order.parameters), order.required)
    except ValueError:
        raise
    except Exception as error:
        why = f"the plug-in failed: {type(error).__name__}: {error}"[:500]
        raise ValueError(why) from error
    return GuardedOwner(inner, name, order.required)


def _refuse(why: str, _order: Order) -> OwnerModule:
    raise ValueError(f"its plug-in does not load: {why}")
