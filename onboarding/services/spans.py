"""Spans of what a service does, for whoever collects traces; off, they cost nothing.

What is told of a device is its GUID, never a token, a key or what a message holds.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from onboarding.services.fdo_front import MessageHandler


class Note(Protocol):
    """What is found out while a span is open."""

    def __call__(self, **said: str | int) -> None:
        """Add attributes; each becomes ``vouchgate.NAME``."""


def _unheard(**_said: str | int) -> None:
    pass


_NOBODY: AbstractContextManager[Note] = nullcontext(_unheard)


class Spans:
    """Nobody collects: handlers are as they were, and spans are one shared nothing."""

    def around(self, handler: MessageHandler) -> MessageHandler:
        """Return a handler that makes a span of each FDO message."""
        return handler

    def span(
        self, _name: str, _guid: bytes | None = None
    ) -> AbstractContextManager[Note]:
        """Return a span, about a device if one is named, to be held open meanwhile."""
        return _NOBODY

    def close(self) -> None:
        """Send what was not sent yet."""
