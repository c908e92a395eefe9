"""Keys of one kind while their files come and go. TEST KEYS."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from onboarding.services.errors import KeyStoreError, SettingsError
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from onboarding.services.keyring import Keyring
from ownership_vouchers.keys import KeyEncoding, KeyType

pytestmark = pytest.mark.usefixtures("cheap_key_files")


class Watch:
    """A clock that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    found = KeyStore(tmp_path / "keys", b"test passphrase")
    create(found, "b")
    return found


def create(store: KeyStore, name: str) -> KeyInfo:
    return store.create(name, KeyKind.OWNER, KeyAlgorithm.P256)


def names(ring: Keyring) -> list[str]:
    return [info.name for info in ring.infos()]


def test_a_file_that_came_is_noticed_after_a_second(
    store: KeyStore, watch: Watch
) -> None:
    ring = Keyring(store, KeyKind.OWNER, watch)
    create(store, "a")
    assert names(ring) == ["b"]
    watch.now = 1.0
    assert names(ring) == ["a", "b"]
    assert ring.version == 1
    assert len(ring.public_keys()) == 2


def test_a_key_that_is_asked_for_is_looked_for_at_once(
    store: KeyStore, watch: Watch
) -> None:
    ring = Keyring(store, KeyKind.OWNER, watch)
    made = create(store, "a")
    assert ring.find(made.fingerprint) is not None
    assert ring.find("0" * 64) is None


def test_a_key_whose_file_is_gone_signs_no_more(
    store: KeyStore, tmp_path: Path, watch: Watch
) -> None:
    gone = create(store, "a")
    ring = Keyring(store, KeyKind.OWNER, watch)
    assert ring.find(gone.fingerprint) is not None
    (tmp_path / "keys" / "a.key").unlink()
    watch.now = 1.0
    assert ring.find(gone.fingerprint) is None
    assert ring.version == 1


def test_what_cannot_be_read_costs_no_key_that_is_here(
    store: KeyStore, tmp_path: Path, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    ring = Keyring(store, KeyKind.OWNER, watch)
    broken = tmp_path / "keys" / "a.key"
    broken.write_text("{}")
    for _ in range(3):
        watch.now += 1.0
        assert names(ring) == ["b"]
    assert len(caplog.records) == 1
    assert "stay as they were" in caplog.text
    broken.unlink()
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    watch.now += 1.0
    assert names(ring) == ["b"]
    (tmp_path / "elsewhere").rename(tmp_path / "keys")
    create(store, "a")
    watch.now += 1.0
    assert names(ring) == ["a", "b"]


def test_a_broken_file_or_no_key_is_an_error_at_the_start(
    store: KeyStore, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no manufacturer key"):
        Keyring(store, KeyKind.MANUFACTURER)
    with pytest.raises(KeyStoreError):
        Keyring(KeyStore(tmp_path / "none", b""), KeyKind.OWNER)
    (tmp_path / "keys" / "a.key").write_text("{}")
    with pytest.raises(KeyStoreError):
        Keyring(store, KeyKind.OWNER)


def test_the_first_key_by_name_speaks_unless_it_is_left_out(store: KeyStore) -> None:
    made = create(store, "a")
    ring = Keyring(store, KeyKind.OWNER)
    first = ring.first()
    other = ring.first(lambda one: one != made.fingerprint)
    assert first is ring.find(made.fingerprint)
    assert other is not first
    with pytest.raises(KeyStoreError, match="no owner key may be used"):
        ring.first(lambda _: False)


TYPES = {
    KeyAlgorithm.P256: KeyType.SECP256R1,
    KeyAlgorithm.P384: KeyType.SECP384R1,
    KeyAlgorithm.RSA2048: KeyType.RSA2048RESTR,
    KeyAlgorithm.RSA3072: KeyType.RSAPKCS,
    KeyAlgorithm.RSA3072_PSS: KeyType.RSAPSS,
}


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    store = KeyStore(tmp_path_factory.mktemp("kinds"), b"test passphrase")
    for kind in TYPES:
        store.create(kind.lower(), KeyKind.MANUFACTURER, kind)
    return Keyring(store, KeyKind.MANUFACTURER)


@pytest.mark.parametrize("encoding", KeyEncoding)
@pytest.mark.parametrize("kind", TYPES)
def test_a_key_is_found_by_its_type_and_written_as_it_is_wanted(
    every_kind: Keyring, kind: KeyAlgorithm, encoding: KeyEncoding
) -> None:
    found = every_kind.of_type(TYPES[kind], encoding)
    assert found is not None
    assert (found.type, KeyAlgorithm.of(found.key, pss=kind.pss)) == (TYPES[kind], kind)
    elliptic = kind in (KeyAlgorithm.P256, KeyAlgorithm.P384)
    if encoding is KeyEncoding.COSEKEY and not elliptic:
        encoding = KeyEncoding.X509  # there is no such form of RSA keys
    assert found.encoding is encoding
    signer = every_kind.find(found.fingerprint())
    assert signer is not None
    assert signer.alg is found.alg


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_key_of_the_size_of_the_devices_comes_first(
    tmp_path: Path, bits: int
) -> None:
    store = KeyStore(tmp_path / "keys", b"test passphrase")
    for kind in (KeyAlgorithm.RSA2048_PSS, KeyAlgorithm.RSA3072_PSS):
        store.create(kind.lower(), KeyKind.MANUFACTURER, kind)
    device = rsa.generate_private_key(65537, bits).public_key()
    ring = Keyring(store, KeyKind.MANUFACTURER)
    found = ring.of_type(KeyType.RSAPSS, KeyEncoding.X509, like=device)
    assert found is not None
    assert found.key.key_size == bits


def test_a_kind_that_is_not_here_is_not_found(store: KeyStore, watch: Watch) -> None:
    ring = Keyring(store, KeyKind.OWNER, watch)
    assert ring.of_type(KeyType.RSAPSS, KeyEncoding.X509) is None


class OldStore(KeyStore):
    """Its files are of a time when keys had no certificates."""

    def list(self, kind: KeyKind | None = None) -> tuple[KeyInfo, ...]:
        return tuple(replace(one, certificate_pem=None) for one in super().list(kind))


def test_a_key_without_a_certificate_is_written_without_one(tmp_path: Path) -> None:
    store = OldStore(tmp_path / "keys", b"test passphrase")
    create(store, "a")
    ring = Keyring(store, KeyKind.OWNER)
    found = ring.of_type(KeyType.SECP256R1, KeyEncoding.X5CHAIN)
    assert found is not None
    assert found.encoding is KeyEncoding.X509
