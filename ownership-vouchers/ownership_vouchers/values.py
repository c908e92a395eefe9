"""Values that are made with each message, and so have to be cheap to make."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def lean(cls: type[T]) -> type[T]:
    """Make a frozen dataclass with slots, held to that by the type checker alone.

    Guarding each attribute makes a frozen dataclass four times as dear to build, and
    that was a fifteenth of what TO2 costs. Equality and hash are those of the fields.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
