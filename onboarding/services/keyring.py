"""The signing keys of one kind, opened once and found by their public half."""

from threading import Lock

from onboarding.services.errors import SettingsError
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey


class Keyring:
    """Keys of one kind; a key file added later is found when it is asked for."""

    def __init__(self, store: KeyStore, kind: KeyKind) -> None:
        self._store = store
        self._kind = kind
        self._lock = Lock()
        self._signers: dict[str, SoftSigner] = {}
        self._infos: dict[str, KeyInfo] = {}
        self.refresh()
        if not self._signers:
            raise SettingsError(
                f"there is no {kind} key: make one with `vouchgate keys new --kind"
                f" {kind}`"
            )

    def __repr__(self) -> str:
        return f"Keyring({self._kind.value}, {len(self._signers)} keys)"

    def refresh(self) -> None:
        """Open key files that were added since."""
        with self._lock:
            for info in self._store.list(self._kind):
                if info.fingerprint not in self._signers:
                    self._signers[info.fingerprint] = self._store.signer(info.name)
                    self._infos[info.fingerprint] = info

    def infos(self) -> tuple[KeyInfo, ...]:
        """Describe the keys, by name."""
        return tuple(sorted(self._infos.values(), key=lambda info: info.name))

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The public halves, by name."""
        signers = (self._signers[info.fingerprint] for info in self.infos())
        return tuple(PublicKey.of(signer.public_key) for signer in signers)

    def first(self) -> SoftSigner:
        """The first key by name: what signs where any key of ours will do."""
        return self._signers[self.infos()[0].fingerprint]

    def find(self, fingerprint: str) -> SoftSigner | None:
        """Return the key whose SubjectPublicKeyInfo has that SHA-256 (hex)."""
        if fingerprint not in self._signers:
            self.refresh()
        return self._signers.get(fingerprint)

    def of_type(self, wanted: KeyType, encoding: KeyEncoding) -> PublicKey | None:
        """Return the public half of the first key, by name, of an FDO key type."""
        if encoding is KeyEncoding.X5CHAIN:
            encoding = KeyEncoding.X509  # our keys have no certificates
        for info in self.infos():
            signer = self._signers[info.fingerprint]
            key = PublicKey.of(signer.public_key, encoding)
            if key.type is wanted:
                return key
        return None
