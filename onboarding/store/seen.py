"""What a change is to meet: a row as somebody read it, or that there was none."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from onboarding.store.errors import Conflict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """A value as it was read; None stands for what was not there."""

    value: T | None

    def require(self, now: T | None) -> None:
        """Ask inside the transaction that changes it. Raises Conflict."""
        if now != self.value:
            raise Conflict("it was changed meanwhile")
