"""A whole file to a service, a part at a time.

Each part is a request with a name of its own (Idempotency-Key): where no answer comes
it is sent again, and done once all the same.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar
from uuid import uuid4

from onboarding.cli.api import AGAIN_SECONDS, TRIES, Api
from onboarding.cli.output import CliError
from onboarding.device.errors import Problem, Unreachable

T = TypeVar("T")


class Part(NamedTuple):
    """How many items are in one request, and its body."""

    items: int
    body: bytes


def cut(
    items: Iterable[T], size: Callable[[T], int], most: int, together: int
) -> Iterator[list[T]]:
    """Cut into runs of up to ``together`` items and ``most`` bytes, one at least."""
    part: list[T] = []
    room = most
    for item in items:
        needs = size(item)
        if part and (len(part) == together or needs > room):
            yield part
            part, room = [], most
        part.append(item)
        room -= needs
    if part:
        yield part


def send_parts(
    send: Callable[[Part], None],
    parts: Sequence[Part],
    tell: Callable[[int], None],
    again: str,
) -> None:
    """Send one after another; ``tell`` hears of how many more items are done.

    Args:
        again: What to do when a part fails after others were done.

    Raises:
        Problem, Unreachable: The first part failed: nothing is done.
        CliError: A later one did; says how much was done before.
    """
    total, done = sum(one.items for one in parts), 0
    for part in parts:
        try:
            send(part)
        except (Problem, Unreachable) as error:
            if not done:
                raise
            raise CliError(f"{error}\n{done} of {total} were done before", again) from (
                error
            )
        done += part.items
        tell(part.items)


def post_once(api: Api, path: str, body: bytes, kind: str) -> object:
    """POST a part and return the answer's JSON.

    Raises:
        Problem: The service refuses it, and says why.
        Unreachable: No answer, not even to the last try.
    """
    named = {"Idempotency-Key": str(uuid4())}
    for _ in range(TRIES - 1):
        try:
            return api.read(api.request("POST", path, body, kind, named))
        except Unreachable:
            time.sleep(AGAIN_SECONDS)
    return api.read(api.request("POST", path, body, kind, named))
