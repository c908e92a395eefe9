"""Which endorsement keys are believed: roots of their certificates, and single keys."""

import time
from collections.abc import Callable, Collection, Iterator

from cryptography import x509

from onboarding.store.ek_acceptances import EkAcceptanceStore
from onboarding.store.ek_refusals import EkRefusalStore
from onboarding.store.ek_roots import EkRootStore

REREAD_SECONDS = 5.0


class AcceptedEks(Collection[bytes]):
    """Digests of the keys that were accepted by hand.

    Asked of the store one by one: only keys without a good certificate come so far.
    """

    def __init__(self, store: EkAcceptanceStore) -> None:
        self._store = store

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and self._store.has(digest)

    def __iter__(self) -> Iterator[bytes]:
        return (one.digest for one in self._store.all())

    def __len__(self) -> int:
        return len(self._store.all())


class RefusedEks(Collection[bytes]):
    """Digests of the keys that were refused by hand, asked of the store one by one."""

    def __init__(self, store: EkRefusalStore) -> None:
        self._store = store

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and self._store.has(digest)

    def __iter__(self) -> Iterator[bytes]:
        return (one.digest for one in self._store.all())

    def __len__(self) -> int:
        return len(self._store.all())


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
