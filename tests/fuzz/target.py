"""What a fuzz target is: bytes in, and nothing out but our own errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onboarding.wire.message import ErrorCode
from tests.support.any_bytes import outcome


@dataclass(frozen=True, slots=True)
class Target:
    """One function under test, and good inputs to start from.

    ``run`` raises on a bug, and on nothing else.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]


def reads(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Hold ``read`` to this: a value, or an error that names the peer's fault."""

    def run(data: bytes) -> None:
        code = outcome(lambda: read(data))
        assert code is not ErrorCode.INTERNAL_SERVER_ERROR, "the fault is ours"

    return run
