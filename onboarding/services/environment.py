"""Variables of the environment that look like settings of ours, and are none."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from onboarding.services.settings import Settings
from onboarding.services.settings_values import FROM_ENVIRONMENT

PREFIX = FROM_ENVIRONMENT["env_prefix"]
# What Kubernetes tells of a Service whose name begins with ours.
_KUBERNETES = re.compile(r"_SERVICE_(?:HOST|PORT)(?:_|$)|._PORT_[0-9]+_[A-Z]+")
OTHERS = frozenset(
    {
        "API_KEY",
        "API_KEY_FILE",
        "BOARDS",
        "CA",
        "CLIENT_CERTIFICATE",
        "CLIENT_KEY",
        "CLIENT_KEY_PASSPHRASE_FILE",
        "DEBUG",
        "DEVICE",
        "KEYLIME_AGENT",
        "KEYLIME_PUSH_AGENT",
        "PROFILE",
        "PROFILES",
        "TOKEN",
        "TOKEN_FILE",
        "URL",
    }
)
"""What commands, devices and tests read beside the settings of services."""


def odd_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each variable that sets nothing; never its value.

    A setting whose name is mistyped would else be off, and nobody told.
    """
    known = {name.upper() for name in Settings.model_fields} | OTHERS
    given = {
        name.upper(): name
        for name, value in environment.items()
        if not _KUBERNETES.search(name) and not value.startswith(("tcp://", "udp://"))
    }
    ours = sorted(one for one in given if one.startswith(PREFIX))
    return tuple(
        _sentence(given[one], get_close_matches(one.removeprefix(PREFIX), known, 1))
        for one in ours
        if one.removeprefix(PREFIX) not in known
    )


def _sentence(name: str, near: list[str]) -> str:
    if not near:
        return f"{name} sets nothing: there is no such setting"
    return f"{name} sets nothing: there is no such setting, but {PREFIX}{near[0]}"
