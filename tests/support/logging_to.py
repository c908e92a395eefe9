"""Everything that is logged, as a service writes it, to a stream of a test."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from onboarding.services import logs
from onboarding.services.logs import LogFormat


@contextmanager
def logged_to(stream: TextIO, form: LogFormat) -> Iterator[None]:
    """Log at DEBUG as ``vouchgate serve`` would, and as before when the block ends."""
    names = ("", "httpx", *logs.OURS)
    before = {name: logging.getLogger(name).level for name in names}
    handler = logs.start(logging.DEBUG, form, "owner", stream)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
