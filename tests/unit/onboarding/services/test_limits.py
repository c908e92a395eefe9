"""Bodies that are too long, too slow, or never whole."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from onboarding.services.limits import BodyLimit

Events = Sequence[dict[str, Any]]


def part(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


GONE = {"type": "http.disconnect"}


def read(events: Events, path: str = "/") -> int:
    """How many bytes an application gets out of a body; silence after the events."""
    waiting = list(events)
    sizes: list[int] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(_event: Any) -> None:
        """Nothing is sent."""

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        more = True
        while more:
            event = await receive()
            sizes.append(len(event["body"]))
            more = event["more_body"]

    limited = BodyLimit(app, limit=10, larger={"/large": 20}, idle=0.01)
    asyncio.run(limited({"type": "http", "path": path}, receive, send))
    return sum(sizes)


def test_a_body_within_its_limit_comes_through() -> None:
    assert read([part(5), part(5, more=False)]) == 10
    assert read([part(15), part(5, more=False)], "/large") == 20


BAD: dict[str, tuple[Events, str, int]] = {
    "one byte too many": ([part(5), part(6, more=False)], "/", 413),
    "too many for a larger one": ([part(21, more=False)], "/large", 413),
    "silence in the middle": ([part(5)], "/", 408),
    "silence from the start": ([], "/", 408),
    "a client that leaves": ([part(5), GONE], "/", 400),
}


@pytest.mark.parametrize("case", list(BAD))
def test_a_body_that_is_not_to_be_had_is_refused(case: str) -> None:
    events, path, status = BAD[case]
    with pytest.raises(HTTPException) as refused:
        read(events, path)
    assert refused.value.status_code == status
