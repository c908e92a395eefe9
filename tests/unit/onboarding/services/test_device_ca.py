"""Device CAs, alone and under authorities of their own. TEST KEYS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.services import device_ca
from onboarding.services.device_ca import DeviceCas
from onboarding.services.errors import KeyStoreError, Problem
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from ownership_vouchers.device_chain import check_device_chain
from ownership_vouchers.errors import CheckFailed
from tests.support.authorities import MIDDLE, NOW, ROOT, Authority, pem
from tests.support.supply_chain import new_key

pytestmark = pytest.mark.usefixtures("cheap_key_files")

DEVICE = ec.generate_private_key(ec.SECP256R1()).public_key()


# Which of the authorities present signs, by the kind of device key.
SIGNS = {
    ("P-256", "P-384"): {
        "P-256": "P-256",
        "P-384": "P-384",
        "RSA-2048": "P-256",
        "RSA-3072-PSS": "P-384",
    },
    ("P-256", "RSA-2048", "RSA-3072"): {
        "P-256": "P-256",
        "P-384": "RSA-3072",
        "RSA-2048-PSS": "RSA-2048",
        "RSA-3072": "RSA-3072",
    },
    ("P-384",): {"P-256": "P-384", "RSA-2048": "P-384"},
}
CASES = [
    (present, device, signer)
    for present, devices in SIGNS.items()
    for device, signer in devices.items()
]


def store_of(directory: Path, *present: str) -> KeyStore:
    store = KeyStore(directory, b"a passphrase of the tests")
    for number, kind in enumerate(present):
        store.create(f"ca-{number}", KeyKind.DEVICE_CA, KeyAlgorithm(kind))
    return store


@pytest.mark.parametrize(("present", "device", "signer"), CASES)
def test_the_authority_of_the_devices_kind_or_strength_signs(
    tmp_path: Path, present: tuple[str, ...], device: str, signer: str
) -> None:
    store = store_of(tmp_path, *present)
    key = new_key(device).public_key()
    chain = DeviceCas(store).issue(key, "SN-1", now=NOW)
    authority = store.chain(f"ca-{present.index(signer)}")
    assert [x509.load_der_x509_certificate(one) for one in chain[1:]] == [*authority]
    check_device_chain(chain, authority)
    made = x509.load_pem_x509_csr(device_ca.request(store, "ca-0"))
    assert made.is_signature_valid


def test_an_authority_with_pss_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="leave -PSS out"):
        store_of(tmp_path, "RSA-3072-PSS")


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    store = KeyStore(tmp_path, b"a passphrase of the tests")
    store.create("line-ca", KeyKind.DEVICE_CA, KeyAlgorithm.P256)
    return store


def ours(store: KeyStore, above: Authority = MIDDLE, **changed: Any) -> Any:
    key = store.private_key("line-ca").public_key()
    return above.issue(key, "line-ca", **{"length": 0, **changed})


def take(store: KeyStore, *chain: x509.Certificate) -> None:
    device_ca.take_chain(store, "line-ca", pem(*chain), NOW)


def issued(store: KeyStore) -> tuple[bytes, ...]:
    return DeviceCas(store).issue(DEVICE, "SN-1", now=NOW)


@pytest.mark.parametrize("with_root", [False, True])
def test_devices_carry_the_authorities_above_their_ca(
    store: KeyStore, with_root: bool
) -> None:
    above = [MIDDLE.certificate, ROOT.certificate]
    take(store, ours(store), *(above if with_root else above[:1]))
    chain = issued(store)
    assert len(chain) == 4 if with_root else 3
    for roots in ([ROOT.certificate], [MIDDLE.certificate], None):
        if with_root and roots == [MIDDLE.certificate]:
            continue  # a chain is anchored at its end
        check_device_chain(chain, roots)
    stranger = Authority("stranger")
    with pytest.raises(CheckFailed):
        check_device_chain(chain, [stranger.signed_by(stranger).certificate])


def test_a_request_for_the_key_can_be_answered(store: KeyStore) -> None:
    request = x509.load_pem_x509_csr(device_ca.request(store, "line-ca"))
    assert request.is_signature_valid
    answered = MIDDLE.issue(request.public_key(), "line-ca", length=0)
    take(store, answered, MIDDLE.certificate)
    check_device_chain(issued(store), [ROOT.certificate])


def cases(store: KeyStore) -> dict[str, Sequence[x509.Certificate]]:
    middle, root = MIDDLE.certificate, ROOT.certificate
    short = Authority("short").signed_by(ROOT, length=0)
    leafy = Authority("leafy").signed_by(ROOT, ca=False)
    mute = Authority("mute").signed_by(ROOT, signs=False)
    old = Authority("old").signed_by(ROOT, years=1, since=400)
    other = Authority("middle").signed_by(ROOT)
    mine = ours(store)
    return {
        "of another key": [middle, root],
        "upside down": [root, middle, mine],
        "without the one between": [mine, root],
        "issued by a namesake": [mine, other.certificate],
        "no authority itself": [ours(store, ca=False), middle],
        "under one that allows none": [ours(store, short), short.certificate],
        "under a leaf": [ours(store, leafy), leafy.certificate],
        "under one that must not sign": [ours(store, mute), mute.certificate],
        "under one that is out of date": [ours(store, old), old.certificate],
        "out of date itself": [ours(store, years=1, since=400), middle],
        "not valid yet": [ours(store, since=-2), middle],
        "over eight": [mine, middle, *[root] * 7],
        "nothing": [],
    }


NAMES = [
    "of another key",
    "upside down",
    "without the one between",
    "issued by a namesake",
    "no authority itself",
    "under one that allows none",
    "under a leaf",
    "under one that must not sign",
    "under one that is out of date",
    "out of date itself",
    "not valid yet",
    "over eight",
    "nothing",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_that_does_not_hold_is_refused_and_changes_nothing(
    store: KeyStore, name: str
) -> None:
    before = store.chain("line-ca")
    with pytest.raises(Problem) as refused:
        take(store, *cases(store)[name])
    assert (refused.value.status, refused.value.code) == (422, "ca-chain-refused")
    assert store.chain("line-ca") == before
    issued(store)


def test_every_case_is_tried(store: KeyStore) -> None:
    assert list(cases(store)) == NAMES


def test_a_running_service_takes_a_new_chain_and_a_new_ca(store: KeyStore) -> None:
    cas = DeviceCas(store, look_seconds=0)
    assert len(cas.issue(DEVICE, "SN-1", now=NOW)) == 2
    take(store, ours(store), MIDDLE.certificate)
    assert len(cas.issue(DEVICE, "SN-1", now=NOW)) == 3
    store.create("another", KeyKind.DEVICE_CA, KeyAlgorithm.P256)
    leaf, *_ = cas.issue(DEVICE, "SN-1", now=NOW, name="another")
    issuer = x509.load_der_x509_certificate(leaf).issuer
    assert issuer == store.chain("another")[0].subject


def test_the_key_directory_is_looked_at_when_it_is_due(store: KeyStore) -> None:
    at = [0.0]
    cas = DeviceCas(store, monotonic=lambda: at[0])
    take(store, ours(store), MIDDLE.certificate)
    assert len(cas.issue(DEVICE, "SN-1", now=NOW)) == 2
    at[0] += device_ca.LOOK_SECONDS
    assert len(cas.issue(DEVICE, "SN-1", now=NOW)) == 3


def test_the_line_s_own_ca_signs_whatever_curve_the_device_has(store: KeyStore) -> None:
    store.create("strong", KeyKind.DEVICE_CA, KeyAlgorithm.P384)
    cas = DeviceCas(store)
    chain = cas.issue(DEVICE, "SN-1", now=NOW, name="strong")
    check_device_chain(chain, store.chain("strong"))
    with pytest.raises(KeyStoreError, match="no device CA gone"):
        cas.issue(DEVICE, "SN-1", now=NOW, name="gone")


def test_a_ca_that_ran_out_issues_nothing(store: KeyStore) -> None:
    take(store, ours(store), MIDDLE.certificate)
    cas = DeviceCas(store)
    with pytest.raises(KeyStoreError, match="is not valid now"):
        cas.issue(DEVICE, "SN-1", now=NOW + 11 * 365 * 86400)


def test_a_changed_file_still_opens_and_only_with_its_passphrase(
    store: KeyStore, tmp_path: Path
) -> None:
    key = store.private_key("line-ca").private_numbers()
    take(store, ours(store), MIDDLE.certificate)
    assert store.private_key("line-ca").private_numbers() == key
    assert (tmp_path / "line-ca.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyStoreError):
        KeyStore(tmp_path, b"another").private_key("line-ca")


@pytest.mark.parametrize("kind", [KeyKind.OWNER, KeyKind.MANUFACTURER])
def test_only_a_device_ca_has_certificates(store: KeyStore, kind: KeyKind) -> None:
    store.create("key", kind, KeyAlgorithm.P256)
    for call in (
        lambda: device_ca.request(store, "key"),
        lambda: store.set_chain("key", [ROOT.certificate]),
    ):
        with pytest.raises(KeyStoreError, match="no device CA"):
            call()
