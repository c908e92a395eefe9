"""Key files: made once, opened by one passphrase, and telling nothing else."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from onboarding.services.errors import KeyStoreError
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from ownership_vouchers.algorithms import SigningKey, verify
from ownership_vouchers.keys import PublicKey

PASSPHRASE = b"test passphrase, for tests only"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys", PASSPHRASE)


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_a_key_that_was_made_signs_after_it_is_opened(
    store: KeyStore, algorithm: KeyAlgorithm
) -> None:
    info = store.create("owner", KeyKind.OWNER, algorithm)
    signer = store.signer("owner")
    signature = signer.sign(b"words")
    verify(signer.public_key, signer.alg, signature, b"words")
    assert PublicKey.of(signer.public_key).fingerprint() == info.fingerprint


def test_only_the_owner_of_a_key_file_may_read_it(
    store: KeyStore, tmp_path: Path
) -> None:
    store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_key_file_holds_no_private_key_in_clear(
    store: KeyStore, tmp_path: Path
) -> None:
    store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    text = (tmp_path / "keys" / "owner.key").read_text()
    assert "PRIVATE" not in text
    number = store.private_key("owner").private_numbers()
    secret = number.private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    assert secret not in (tmp_path / "keys" / "owner.key").read_bytes()


def test_listing_needs_no_passphrase(store: KeyStore, tmp_path: Path) -> None:
    made = store.create("maker", KeyKind.MANUFACTURER, KeyAlgorithm.P384)
    assert KeyStore(tmp_path / "keys", b"").list() == (made,)


def test_a_kind_lists_its_own_keys_only(store: KeyStore) -> None:
    store.create("maker", KeyKind.MANUFACTURER, KeyAlgorithm.P256)
    ours = store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    assert store.list(KeyKind.OWNER) == (ours,)


def test_another_passphrase_opens_nothing(store: KeyStore, tmp_path: Path) -> None:
    store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    with pytest.raises(KeyStoreError, match="passphrase"):
        KeyStore(tmp_path / "keys", b"another").signer("owner")


def test_a_key_is_never_overwritten(store: KeyStore) -> None:
    first = store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    with pytest.raises(KeyStoreError, match="exists already"):
        store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    assert store.list() == (first,)


def test_a_device_ca_comes_with_its_certificate(store: KeyStore) -> None:
    store.create("ca", KeyKind.DEVICE_CA, KeyAlgorithm.P256)
    certificate = store.chain("ca")[0]
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("name", ["", "../owner", "Owner", ".hidden", "a/b", "x" * 65])
def test_a_name_that_could_leave_the_directory_is_refused(
    store: KeyStore, name: str
) -> None:
    with pytest.raises(KeyStoreError, match="name"):
        store.create(name, KeyKind.OWNER, KeyAlgorithm.P256)


def test_who_guesses_a_passphrase_pays_for_each_guess(
    store: KeyStore, tmp_path: Path
) -> None:
    store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    kept = json.loads((tmp_path / "keys" / "owner.key").read_text())
    assert kept["scrypt"] == [32768, 8, 1]


ALTERED = {
    "kind": "manufacturer",
    "fingerprint": "0" * 64,
    "public_pem": "another",
    "name": "other",
    "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
    "nonce": "AAAAAAAAAAAAAAAA",
    "sealed": "AAAA",
    "scrypt": [2, 1, 1],
}


@pytest.mark.parametrize("field", list(ALTERED))
def test_an_altered_field_keeps_the_key_shut(
    store: KeyStore, tmp_path: Path, field: str
) -> None:
    store.create("owner", KeyKind.OWNER, KeyAlgorithm.P256)
    store.signer("owner")  # opens unaltered
    path = tmp_path / "keys" / "owner.key"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: ALTERED[field]}))
    with pytest.raises(KeyStoreError, match="does not open"):
        store.signer("owner")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b'{"version": 2}', b" " * 70_000]
)
def test_a_file_that_is_no_key_file_is_refused(
    store: KeyStore, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "owner.key").write_bytes(content)
    with pytest.raises(KeyStoreError):
        store.list()


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_a_key_made_elsewhere_is_taken_in(
    store: KeyStore, tmp_path: Path, algorithm: KeyAlgorithm
) -> None:
    elsewhere = KeyStore(tmp_path / "elsewhere", PASSPHRASE)
    made = elsewhere.create("theirs", KeyKind.OWNER, algorithm)
    key = elsewhere.private_key("theirs")
    info = store.adopt("ours", KeyKind.OWNER, key, pss=algorithm.pss)
    assert (info.algorithm, info.fingerprint) == (algorithm, made.fingerprint)
    assert PublicKey.of(store.signer("ours").public_key).fingerprint() == (
        made.fingerprint
    )
    if not algorithm.startswith("RSA"):
        with pytest.raises(KeyStoreError, match="by RSA keys"):
            store.adopt("salted", KeyKind.OWNER, key, pss=True)
    with pytest.raises(KeyStoreError, match="here already, as ours"):
        store.adopt("again", KeyKind.OWNER, key)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - to be refused
    ],
    ids=["P-521", "RSA-1024"],
)
def test_a_key_that_fdo_does_not_use_is_not_taken_in(
    store: KeyStore, key: SigningKey
) -> None:
    with pytest.raises(KeyStoreError, match="FDO does not use"):
        store.adopt("odd", KeyKind.OWNER, key)
    assert store.list() == ()


def test_a_device_ca_is_made_here_only(store: KeyStore) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(KeyStoreError, match="made here"):
        store.adopt("ca", KeyKind.DEVICE_CA, key)


def test_a_directory_that_is_not_there_is_named_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="keys new") as refused:
        KeyStore(tmp_path / "nowhere", b"").stamp()
    assert str(tmp_path / "nowhere") in str(refused.value)
