"""Values that answers are made of, and the one shape of every list."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from onboarding.store.pages import Page

T = TypeVar("T")
R = TypeVar("R")

Guid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Digest = Annotated[str, Field(json_schema_extra={"pattern": "^[0-9a-f]{64,96}$"})]
Seconds = Annotated[int, Field(description="Seconds since 1970, UTC.")]
Etag = Annotated[str, Field(description="Send it as If-Match to change only this.")]
Document = dict[str, Any]
"""JSON in a language of its own, which is described elsewhere."""


class Listed(TypedDict, Generic[T]):
    """A page of a list; ``next`` is the cursor of the one after it, if there is one."""

    items: list[T]
    next: str | None


def listed(page: Page[R], shown: Callable[[R], T]) -> Listed[T]:
    """A page, each of its items as it is shown."""
    return {"items": [shown(one) for one in page.items], "next": page.cursor}


class Named(TypedDict):
    """Something by its digest, and in words."""

    digest: Digest
    subject: str


class Reason(TypedDict):
    """Why: a code for programs, a sentence, and what would change it."""

    code: str
    sentence: str
    remedy: str
