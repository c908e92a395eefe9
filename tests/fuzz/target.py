"""What a fuzz target is: bytes in, and nothing out but our own errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attestation.errors import AttestationError
from hw.errors import HwError
from ownership_vouchers.errors import VoucherError
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
        outcome(lambda: read(data))

    return run


def judges(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """The same for what attestation and hw read: their errors are refusals, too."""

    def run(data: bytes) -> None:
        try:
            read(data)
        except (AttestationError, HwError, VoucherError):
            pass  # any other exception type is a bug, and comes out

    return run
