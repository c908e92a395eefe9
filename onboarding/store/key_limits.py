"""Which devices an API key is for: those with some labels, or made on some lines."""

import json
from dataclasses import dataclass
from typing import Self

from onboarding.store.errors import InvalidRecord

MOST = 32  # labels, or lines
_LONGEST = 256 * 1024  # characters, as it is stored


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device must have for a key to see it; nothing is no limit.

    Args:
        labels: Names and values. A device must have all of them.
        lines: Names of production lines. It must have been made on one of them.
    """

    labels: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.lines)

    def require(self) -> None:
        """Raises InvalidRecord: too many, or a label with two values."""
        names = [name for name, _ in self.labels]
        if max(len(names), len(self.lines)) > MOST or len(self.encode() or "") > (
            _LONGEST
        ):
            raise InvalidRecord(f"an API key is limited by up to {MOST} names")
        if len(set(names)) != len(names) or not all((*names, *self.lines)):
            raise InvalidRecord("each label of an API key has a name and one value")

    def encode(self) -> str | None:
        """As it is stored: JSON; nothing for no limit."""
        if not self:
            return None
        return json.dumps({"labels": dict(self.labels), "lines": list(self.lines)})

    @classmethod
    def decode(cls, text: str | None) -> Self:
        """Read what was stored.

        Raises:
            InvalidRecord: It says what this version does not know. A limit that is
                not understood must not be dropped.
        """
        if text is None:
            return cls()
        try:
            found = json.loads(text)
            labels, lines = found.pop("labels"), found.pop("lines")
            read = cls(tuple(labels.items()), tuple(lines))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidRecord("an API key's limits cannot be read") from error
        if found or not read:
            raise InvalidRecord("an API key's limits are of another version")
        return read


UNLIMITED = Limits()
