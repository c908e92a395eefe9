"""What a service writes of its work: lines for people, or JSON for a collector.

A line says, where that is known, which device it is about (``guid``), which run of FDO
(``run``, the id that ``/traces`` shows), which ``request`` or ``task`` it belongs to.
All that is put together when a line is written, and only then. No line holds a secret;
what others sent is on one line, without what a terminal obeys.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from enum import StrEnum, unique
from time import gmtime, strftime
from typing import TextIO

from onboarding.services.log_bounds import Bounds
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

# Others' debug lines hold what they were sent: headers, and so tokens.
OURS = ("onboarding", "attestation", "hw", "ownership_vouchers")
_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_EXTRA, _TAGS = "vouchgate_about", "_vouchgate_about"
_BOUND = "vouchgate_bound"
# What cryptography says of a certificate whose names are longer than X.509 allows.
_LONG_NAME = "Attribute's length must be"

_around: ContextVar[Mapping[str, str]] = ContextVar("vouchgate_about")


@unique
class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def written(
    level: int, form: LogFormat, role: str, stream: TextIO | None = None
) -> Iterator[None]:
    """Write what is logged in the block; other packages' lines from INFO on.

    Args:
        role: Which service this is; in each line of JSON.
        stream: Standard error, if none.
    """
    handler = _Bounded(stream or sys.stderr, time.monotonic)
    json_lines = form is LogFormat.JSON
    handler.setFormatter(JsonLines(role) if json_lines else TextLines(_TEXT))
    levels = dict.fromkeys(OURS, level)
    levels[""] = max(level, logging.INFO)
    levels["httpx"] = logging.WARNING  # a line for each request
    before = {name: logging.getLogger(name).level for name in levels}
    root = logging.getLogger()
    root.addHandler(handler)
    _set(levels)
    try:
        with warnings.catch_warnings():
            # Else a peer's certificate writes to standard error, past form and bounds.
            warnings.filterwarnings("ignore", _LONG_NAME, UserWarning)
            yield
    finally:
        _set(before)
        root.removeHandler(handler)
        handler.sweep(all_of_them=True)


def _set(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class _Bounded(logging.StreamHandler[TextIO]):
    """Writes lines; of those that strangers can cause, not all: see ``log_bounds``."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        super().__init__(stream)
        self._bounds = Bounds(clock)

    def emit(self, record: logging.LogRecord) -> None:
        bound = getattr(record, _BOUND, None)
        self.sweep()
        if bound is None or self._bounds.admit(*bound):
            super().emit(record)

    def sweep(self, *, all_of_them: bool = False) -> None:
        """Say what was left out in windows that are over; or in all."""
        with self.lock or nullcontext():
            for told in self._bounds.over(all_of_them=all_of_them):
                super().emit(_line(told))


def _line(text: str) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": __name__, "levelno": logging.INFO, "levelname": "INFO", "msg": text}
    )


def sweep() -> None:
    """Say what was left out, though no other line is written."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Bounded):
            handler.sweep()


@contextmanager
def about(**said: str) -> Iterator[None]:
    """Lines written in the block, in this task or thread, say this as well."""
    token = _around.set({**_around.get({}), **said})
    try:
        yield
    finally:
        _around.reset(token)


def of(**said: str | None) -> dict[str, object]:
    """What one line says besides, for its ``extra``; what is None is left out."""
    return {_EXTRA: {name: one for name, one in said.items() if one is not None}}


def refused(kind: str, source: str, **said: str | None) -> dict[str, object]:
    """``of`` for a line that a stranger can cause: the like of it are bounded.

    Args:
        kind: What is refused: a code of ours, never a word of the stranger's.
        source: Who caused it: an address, or the network that counts as one.
    """
    return bounded(f"refusals ({kind})", source, **said)


def bounded(kind: str, source: str, **said: str | None) -> dict[str, object]:
    """``of`` for a line of which there may be many: see ``log_bounds``.

    Args:
        kind: What they are, in words that follow "more lines of".
        source: What causes them, of which each may cause some.
    """
    return {**of(**said), _BOUND: (kind, source)}


def tag(error: Exception, **said: str | None) -> None:
    """Have whoever logs an error say this besides: see ``tags_of``."""
    setattr(error, _TAGS, {**tags_of(error), **said})


def tags_of(error: Exception) -> dict[str, str | None]:
    """What was said of an error where it was raised."""
    found: dict[str, str | None] = getattr(error, _TAGS, {})
    return found


def subject(text: str) -> dict[str, str]:
    """What a task is about: a device, as its GUID, or something else."""
    try:
        return {"guid": str(Guid.parse(text))}
    except VoucherError:
        return {"subject": text}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        at = strftime("%Y-%m-%dT%H:%M:%S", gmtime(record.created))
        line: dict[str, str] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "role": self._role,
            "message": record.getMessage(),
            **_said(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextLines(logging.Formatter):
    """A line for people; only a traceback takes more."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        said = " ".join(f"{name}={one}" for name, one in _said(record).items())
        whole = f"{line} [{said}]" if said else line
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole)


def _said(record: logging.LogRecord) -> dict[str, str]:
    return {**_around.get({}), **getattr(record, _EXTRA, {})}
