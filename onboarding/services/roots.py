"""Which endorsement keys are believed: by the trust store, and single keys."""

import time
from collections.abc import Callable, Collection, Iterator

from cryptography import x509

from attestation.ek_root import load_root
from attestation.ek_store import EkTrust, load_crl
from onboarding.services.trust import load_trust
from onboarding.store.ek_acceptances import EkAcceptanceStore
from onboarding.store.ek_refusals import EkRefusalStore
from onboarding.store.ek_trust import EkTrustStore
from onboarding.store.ek_trust_records import EkTrustState
from onboarding.store.settings_rows import SettingStore

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


class HeldTrust:
    """The trust store of endorsement keys, at most a few seconds old.

    Args:
        settings: Where the CAs of device makers are.
        crls_required: Whether each CA of a path must have a CRL in force.
    """

    def __init__(
        self,
        store: EkTrustStore,
        settings: SettingStore,
        *,
        crls_required: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._settings = settings
        self._crls_required = crls_required
        self._clock = clock
        self._read_at = float("-inf")
        self._trust = EkTrust(crls_required=crls_required)

    def get(self) -> EkTrust:
        """The store; the very same object for as long as it holds the same."""
        now = self._clock()
        if now - self._read_at >= REREAD_SECONDS:
            state, makers = self._store.state(), load_trust(self._settings).identity_cas
            if (state.digest, makers) != (self._trust.digest, self._trust.makers):
                self._trust = self._loaded(state, makers)
            self._read_at = now
        return self._trust

    def _loaded(
        self, state: EkTrustState, makers: tuple[x509.Certificate, ...]
    ) -> EkTrust:
        roots = tuple(load_root(one.certificate) for one in state.roots)
        signers = [one.certificate for one in roots]
        crls = tuple(load_crl(one.crl, signers) for one in state.crls)
        return EkTrust(roots, crls, self._crls_required, makers)
