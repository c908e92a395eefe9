"""To change a thing only if it still is what the caller saw.

A tag is made from what a resource is; it is compared again where the change is
made, so that of two who saw the same only one succeeds.

Source: RFC 9110, sections 8.8.3 and 13.1.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Depends, Header

from onboarding.services.api.tagged import Tagged
from onboarding.services.errors import Problem
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.seen import Seen
from onboarding.store.settings_rows import SettingStore

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
_Tags = Annotated[str | None, Header(max_length=1024)]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request says of the state it wants to meet."""

    if_match: str | None = None
    if_none_match: str | None = None

    @property
    def stated(self) -> bool:
        return self.if_match is not None or self.if_none_match is not None

    def require(self, tag: str, *, exists: bool = True) -> None:
        """Let a change go on only where the conditions hold.

        Args:
            tag: Of the resource as it is now.
            exists: Whether it was ever set.

        Raises:
            Problem: 412.
        """
        if self.if_match is not None and not _names(self.if_match, tag, exists):
            raise _failed()
        if self.if_none_match is not None and _names(self.if_none_match, tag, exists):
            raise _failed()

    def seen(self, value: T | None, tag: str) -> Seen[T] | None:
        """What a change is to meet; None if any will do.

        Args:
            value: As it is now; None if it was never set.
            tag: Of the resource as it is now.

        Raises:
            Problem: 412.
        """
        if not self.stated:
            return None
        self.require(tag, exists=value is not None)
        return Seen(value)

    def has(self, tag: str) -> bool:
        """Whether the caller says that it has this very state already."""
        given = self.if_none_match
        return given is not None and _names(given.replace("W/", ""), tag, exists=True)

    @contextmanager
    def meeting(self, value: T | None, tag: str) -> Iterator[Seen[T] | None]:
        """What a change inside is to meet, as ``seen``; and as ``held``."""
        seen = self.seen(value, tag)
        with self.held():
            yield seen

    @contextmanager
    def held(self) -> Iterator[None]:
        """A conflict inside means that somebody else was faster. Raises Problem."""
        try:
            yield
        except Conflict as error:
            if self.stated:
                raise _failed() from error
            raise


ALWAYS = Conditions()


def _conditions(
    if_match: _Tags = None,
    if_none_match: _Tags = None,
) -> Conditions:
    return Conditions(if_match, if_none_match)


When = Annotated[Conditions, Depends(_conditions)]


def tag_of(state: object) -> str:
    """The tag of what can be written as JSON."""
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), default=_plain)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def record_tag(record: "DataclassInstance") -> str:
    """The tag of a store's record: of all by which two of them are told apart."""
    told = (one.name for one in fields(record) if one.compare)
    return tag_of({name: getattr(record, name) for name in told})


def _plain(value: object) -> object:
    """Bytes by their digest, parts of a record by their members."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    assert is_dataclass(value)  # noqa: S101 - no other kinds
    assert not isinstance(value, type)  # noqa: S101
    return asdict(value)


def answered(content: T, tag: str, when: Conditions = ALWAYS) -> Tagged[T]:
    """A state with its tag, or that it is the one that the caller has."""
    return Tagged(None if when.has(tag) else content, tag)


def setting_tag(settings: SettingStore, name: str) -> str:
    """The tag of a setting. Take it before the value, never after."""
    return f'"{_version(settings, name)}"'


def expected_version(settings: SettingStore, name: str, when: Conditions) -> int | None:
    """The version that a change is to meet; None if any will do. Raises Problem."""
    if not when.stated:
        return None
    version = _version(settings, name)
    when.require(f'"{version}"', exists=version > 0)
    return version


def _version(settings: SettingStore, name: str) -> int:
    try:
        return settings.get(name).version
    except NotFound:
        return 0


def _names(given: str, tag: str, exists: bool) -> bool:
    if given.strip() == "*":
        return exists
    return tag in (one.strip() for one in given.split(","))


def _failed() -> Problem:
    return Problem(
        412,
        "precondition-failed",
        "It is not what it was when you read it.",
        remedy="GET it again, and send the ETag of that answer as If-Match.",
    )
