"""What is written when work fails, also when it fails for an hour.

A database that is away is no bug, nor is what has not been set up: they get a line with
the reason and no traceback, and not one for each task and message meanwhile. Whatever
else fails is told whole.
"""

import logging

from onboarding.services import logs
from onboarding.services.errors import Problem
from onboarding.store.errors import StoreUnavailable

_AWAY = "database"
_MAX_CAUSE = 300  # characters


def tell(
    log: logging.Logger,
    error: Exception,
    text: str,
    *arguments: object,
    **tags: str | None,
) -> None:
    """Log ``text % arguments`` as an error that ``error`` has caused."""
    if isinstance(error, StoreUnavailable):
        about = logs.bounded(_AWAY, text, **tags)
        log.error(f"{text}: %s", *arguments, _why(error), extra=about)
    elif isinstance(error, Problem):
        about = logs.bounded(error.code, text, **tags)
        why = " ".join((error.detail, error.remedy or ""))
        log.error(f"{text}: %s", *arguments, why.strip(), extra=about)
    else:
        log.error(text, *arguments, exc_info=error, extra=logs.of(**tags))


def _why(error: StoreUnavailable) -> str:
    """Its words, and those of what caused it: no driver tells a password."""
    cause = "" if error.__cause__ is None else f": {error.__cause__}"
    return " ".join(f"{error}{cause}".split())[:_MAX_CAUSE]
