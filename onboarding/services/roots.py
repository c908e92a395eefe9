"""EK roots as certificates, re-read now and then instead of for each message."""

import time
from collections.abc import Callable

from cryptography import x509

from onboarding.store.ek_roots import EkRootStore

REREAD_SECONDS = 5.0


class EkRoots:
    """The trust store of endorsement keys, at most a few seconds old."""

    def __init__(
        self, store: EkRootStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self._read_at = float("-inf")
        self._roots: tuple[x509.Certificate, ...] = ()

    def all(self) -> tuple[x509.Certificate, ...]:
        """Every root there is."""
        now = self._clock()
        if now - self._read_at >= REREAD_SECONDS:
            found = (record.certificate for record in self._store.all())
            self._roots = tuple(map(x509.load_der_x509_certificate, found))
            self._read_at = now
        return self._roots
