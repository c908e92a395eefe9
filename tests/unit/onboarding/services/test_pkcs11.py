"""Keys in a PKCS#11 token: SoftHSM2's, over the real library. TEST KEYS."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import ValidationError

from onboarding.services.device_ca import DeviceCas
from onboarding.services.errors import CustodyError, KeyStoreError
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import Custody, KeyKind, KeyStore
from onboarding.services.keyring import Keyring
from onboarding.services.pkcs11_token import Token
from onboarding.services.settings import Settings
from ownership_vouchers.algorithms import verify
from ownership_vouchers.device_chain import check_device_chain
from tests.support.softhsm import PIN, SoftToken, configure, initialise

OWNER, MAKER, CA = KeyKind.OWNER, KeyKind.MANUFACTURER, KeyKind.DEVICE_CA
IN_TOKEN = Custody.PKCS11


def objects_in(token: SoftToken) -> list[Any]:
    """What the token holds, by the library alone."""
    library = pkcs11.lib(str(token.module))
    found = library.get_token(token_label=token.label)
    try:
        session = found.open(user_pin=PIN)
    except pkcs11.UserAlreadyLoggedIn:
        session = found.open()
    with session:
        return list(session.get_objects())


@pytest.fixture
def store(token: SoftToken, tmp_path: Path) -> KeyStore:
    return KeyStore.of(token.settings(tmp_path, to2_asymkex=False))


def test_keys_of_every_kind_sign_in_the_token(store: KeyStore, tmp_path: Path) -> None:
    for algorithm in KeyAlgorithm:
        if algorithm in (KeyAlgorithm.RSA3072, KeyAlgorithm.RSA3072_PSS):
            continue  # as RSA-2048, but slow to make
        name = algorithm.lower()
        made = store.create(name, MAKER, algorithm, IN_TOKEN)
        signer = store.signer(name)
        verify(signer.public_key, signer.alg, signer.sign(b"words"), b"words")
        assert made.custody is IN_TOKEN
        assert str(made.uri).startswith("pkcs11:token=vouchgate%20")
    assert KeyStore(tmp_path / "keys", b"").list() == store.list()


def test_no_private_key_leaves_the_token(store: KeyStore, token: SoftToken) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    key: Any = store.private_key("maker")
    with pytest.raises(CustodyError, match="stays where it is"):
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CustodyError, match="stays where it is"):
        key.private_numbers()
    kind = pkcs11.ObjectClass.PRIVATE_KEY
    session = key._holder._session._session
    (held,) = session.get_objects({pkcs11.Attribute.CLASS: kind})
    assert held[pkcs11.Attribute.NEVER_EXTRACTABLE]
    assert not held[pkcs11.Attribute.DECRYPT]


def test_a_device_ca_in_the_token_issues_chains_that_hold(store: KeyStore) -> None:
    store.create("ca", CA, KeyAlgorithm.P384, IN_TOKEN)
    device = ec.generate_private_key(ec.SECP384R1()).public_key()
    issued = DeviceCas(store).issue(device, "SN-1", now=1_790_000_000)
    check_device_chain(issued, store.chain("ca"))


def test_an_rsa_owner_key_that_cannot_decrypt_is_refused_where_devices_may_ask_it(
    token: SoftToken, tmp_path: Path
) -> None:
    # SoftHSM2 knows OAEP with SHA-1 alone; FDO's is with SHA-256.
    careless = KeyStore.of(token.settings(tmp_path))
    with pytest.raises(KeyStoreError, match=r"ASYMKEX.*VOUCHGATE_TO2_ASYMKEX=false"):
        careless.create("owner", OWNER, KeyAlgorithm.RSA2048, IN_TOKEN)
    assert objects_in(token) == []
    assert careless.list() == ()

    settings = token.settings(tmp_path, to2_asymkex=False)
    KeyStore.of(settings).create("owner", OWNER, KeyAlgorithm.RSA2048, IN_TOKEN)
    assert KeyStore.of(settings).signer("owner").decrypter is None
    with pytest.raises(KeyStoreError, match="ASYMKEX"):
        Keyring(careless, OWNER)  # as a service does when it starts


def test_many_threads_sign_at_once(store: KeyStore) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    signer = store.signer("maker")

    def sign(number: int) -> None:
        data = str(number).encode()
        verify(signer.public_key, signer.alg, signer.sign(data), data)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sign, range(80))) == [None] * 80


def test_a_key_signs_on_after_every_session_was_lost(
    store: KeyStore, token: SoftToken
) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    signer = store.signer("maker")
    pkcs11.lib(str(token.module)).reinitialize()
    verify(signer.public_key, signer.alg, signer.sign(b"words"), b"words")


def test_a_wrong_pin_is_tried_once(token: SoftToken, tmp_path: Path) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_text("not the PIN\n")
    settings = token.settings(tmp_path, pkcs11_pin_file=pin_file)
    with pytest.raises(CustodyError, match="refused the PIN"):
        KeyStore.of(settings).create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    pin_file.write_text(PIN)
    with pytest.raises(CustodyError, match="not tried again") as caught:
        KeyStore.of(settings).create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    assert PIN not in str(caught.value)
    assert "not the PIN" not in str(caught.value)
    told = Token.of(settings)
    assert told is not None
    assert told.look().worry == "a wrong PIN was given"


def test_a_key_is_looked_for_in_its_own_token_only(
    store: KeyStore, other_token: SoftToken, tmp_path: Path
) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    elsewhere = KeyStore.of(other_token.settings(tmp_path))
    with pytest.raises(CustodyError, match="is not in token"):
        elsewhere.signer("maker")
    nowhere = {f"pkcs11_{one}": None for one in ("module", "token", "pin_file")}
    without = KeyStore.of(other_token.settings(tmp_path, **nowhere))
    with pytest.raises(KeyStoreError, match="VOUCHGATE_PKCS11_MODULE"):
        without.signer("maker")


def test_a_file_cannot_be_turned_to_another_key_of_the_token(
    store: KeyStore, tmp_path: Path
) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    other = store.create("other", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    path = tmp_path / "keys" / "maker.key"
    path.write_text(json.dumps({**json.loads(path.read_text()), "uri": other.uri}))
    with pytest.raises(KeyStoreError, match="does not open"):
        store.signer("maker")


def test_a_key_that_is_gone_from_the_token_is_missed_when_opened(
    store: KeyStore, token: SoftToken
) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    key: Any = store.private_key("maker")
    for one in list(key._holder._session._session.get_objects()):
        one.destroy()
    pkcs11.lib(str(token.module)).reinitialize()
    with pytest.raises(CustodyError, match="no private key with id"):
        store.signer("maker")


def test_a_name_that_is_taken_leaves_nothing_in_the_token(
    store: KeyStore, token: SoftToken
) -> None:
    store.create("maker", MAKER, KeyAlgorithm.P256)
    with pytest.raises(KeyStoreError, match="exists already"):
        store.create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
    with pytest.raises(KeyStoreError, match="leave -PSS out"):
        store.create("ca", CA, KeyAlgorithm.RSA2048_PSS, IN_TOKEN)
    assert objects_in(token) == []


def test_a_token_without_pss_makes_no_key_for_it(tmp_path: Path) -> None:
    from tests.support.softhsm import library

    module = library()
    initialise(configure(tmp_path), "plain")
    (tmp_path / "pin").write_text(PIN)
    (tmp_path / "passphrase").write_text("a passphrase of the tests")
    token = SoftToken(module, "plain", tmp_path / "pin")
    without = configure(
        tmp_path, "slots.mechanisms = CKM_RSA_PKCS_KEY_PAIR_GEN,CKM_SHA256_RSA_PKCS"
    )
    environment = {
        **os.environ,
        **token.environment,
        "SOFTHSM2_CONF": str(without),
        "VOUCHGATE_KEY_DIRECTORY": str(tmp_path / "keys"),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }
    asked = [sys.executable, "-m", "onboarding.cli", "keys", "new"]
    asked += ["--kind", "manufacturer", "--custody", "pkcs11"]
    asked += ["--algorithm", "RSA-2048-PSS"]
    done = subprocess.run(  # noqa: S603
        asked, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "has no CKM_SHA256_RSA_PKCS_PSS" in " ".join(done.stderr.split())
    assert not list((tmp_path / "keys").glob("*.key"))


def test_the_three_settings_of_a_token_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        Settings(pkcs11_token="factory")


def test_what_is_no_module_is_refused(token: SoftToken, tmp_path: Path) -> None:
    (tmp_path / "module.so").write_text("no library")
    settings = token.settings(tmp_path, pkcs11_module=tmp_path / "module.so")
    with pytest.raises(CustodyError, match="is no PKCS#11 module"):
        KeyStore.of(settings).create("maker", MAKER, KeyAlgorithm.P256, IN_TOKEN)
