"""The signing keys of one kind, opened once and found by their public half."""

import logging
import time
from collections.abc import Callable
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.services.errors import KeyStoreError, SettingsError
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from ownership_vouchers.algorithms import SoftSigner, VerifyKey
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey, type_of

LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)

_Keys = dict[str, tuple[KeyInfo, SoftSigner]]


class Keyring:
    """Keys of one kind; files that come or go are noticed within a second.

    When the directory cannot be read, or one of its files, that is an error at the
    start; later it is logged, and the keys stay as they were.
    """

    def __init__(
        self,
        store: KeyStore,
        kind: KeyKind,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._kind = kind
        self._monotonic = monotonic
        self._lock = Lock()
        self._stamp = store.stamp()
        self._keys = self._opened({})
        self._due = monotonic() + LOOK_SECONDS
        self.version = 0  # goes up with each change of the keys that are here
        if not self._keys:
            raise SettingsError(
                f"there is no {kind} key: make one with `vouchgate keys new --kind"
                f" {kind}`"
            )

    def __repr__(self) -> str:
        return f"Keyring({self._kind.value}, {len(self._keys)} keys)"

    def refresh(self) -> None:
        """Look now for key files that came or went."""
        with self._lock:
            self._look()

    def infos(self) -> tuple[KeyInfo, ...]:
        """Describe the keys, by name."""
        return tuple(info for info, _ in self._by_name())

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The public halves, by name."""
        return tuple(_public(*one, KeyEncoding.X509) for one in self._by_name())

    def first(self, wanted: Callable[[str], bool] = lambda _: True) -> SoftSigner:
        """The first key by name: what signs where any key of ours will do.

        Args:
            wanted: Leaves out keys, by their fingerprint.

        Raises:
            KeyStoreError: There is none.
        """
        for info, signer in self._by_name():
            if wanted(info.fingerprint):
                return signer
        raise KeyStoreError(f"no {self._kind} key may be used")

    def find(self, fingerprint: str) -> SoftSigner | None:
        """Return the key whose SubjectPublicKeyInfo has that SHA-256 (hex)."""
        self._glance()
        if fingerprint not in self._keys:
            self.refresh()
        found = self._keys.get(fingerprint)
        return None if found is None else found[1]

    def of_type(
        self,
        wanted: KeyType,
        encoding: KeyEncoding,
        name: str | None = None,
        like: VerifyKey | None = None,
    ) -> PublicKey | None:
        """Return the public half of the first key, by name, of an FDO key type.

        It is in plain X.509 where it cannot be had in that encoding.

        Args:
            name: Only the key of that name will do.
            like: Keys of the size of this one come first: RSAPSS is of any size.
        """
        found = [
            (info, signer)
            for info, signer in self._by_name()
            if name in (None, info.name) and _type(info, signer) is wanted
        ]
        if like is not None:
            found.sort(key=lambda one: one[1].public_key.key_size != like.key_size)
        return _public(*found[0], encoding) if found else None

    def _by_name(self) -> list[tuple[KeyInfo, SoftSigner]]:
        self._glance()
        return sorted(self._keys.values(), key=lambda one: one[0].name)

    def _glance(self) -> None:
        """Look when it is due; who comes while another looks takes what is there."""
        if self._monotonic() < self._due or not self._lock.acquire(blocking=False):
            return
        try:
            self._look()
        finally:
            self._lock.release()

    def _look(self) -> None:
        self._due = self._monotonic() + LOOK_SECONDS
        try:
            stamp = self._store.stamp()
            if stamp == self._stamp:
                return
            self._stamp = stamp  # a file that does not open is not tried again
            keys = self._opened(self._keys)
        except KeyStoreError as error:
            log.error("the %s keys stay as they were: %s", self._kind, error)  # noqa: TRY400 - the sentence is enough
            return
        if keys.keys() != self._keys.keys():
            log.info("%s keys: %d, before %d", self._kind, len(keys), len(self._keys))
            self.version += 1
        self._keys = keys

    def _opened(self, known: _Keys) -> _Keys:
        """Every key that is there now; only those that are new cost a passphrase."""
        keys: _Keys = {}
        for info in self._store.list(self._kind):
            before = known.get(info.fingerprint)
            signer = before[1] if before else self._store.signer(info.name)
            keys[info.fingerprint] = (info, signer)
        return keys


def _type(info: KeyInfo, signer: SoftSigner) -> KeyType:
    return type_of(signer.public_key, pss=info.algorithm.pss)


def _public(info: KeyInfo, signer: SoftSigner, encoding: KeyEncoding) -> PublicKey:
    key, key_type = signer.public_key, _type(info, signer)
    chain: tuple[x509.Certificate, ...] = ()
    match encoding:
        case KeyEncoding.X5CHAIN if info.certificate_pem is not None:
            chain = tuple(
                x509.load_pem_x509_certificates(info.certificate_pem.encode())
            )
        case KeyEncoding.COSEKEY if isinstance(key, ec.EllipticCurvePublicKey):
            pass
        case _:
            encoding = KeyEncoding.X509
    return PublicKey.of(key, encoding, chain, key_type=key_type)
