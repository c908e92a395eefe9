"""A factory that signs each new voucher over to its buyer at once."""

from pathlib import Path

import pytest

from onboarding.protocol.errors import PeerFailed
from onboarding.services.errors import SettingsError
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Role
from onboarding.store import apikeys
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.verify import verify
from tests.support.databases import NewDatabase
from tests.support.services import PASSPHRASE, Site, Wire
from tests.support.soft_device import SoftDevice

RVINFO = {"directives": [{"dns": "rv.example", "protocol": "http"}]}


def buyer_file(directory: Path, algorithm: KeyAlgorithm) -> Path:
    store = KeyStore(directory / "buyer", PASSPHRASE)
    made = store.create("buyer", KeyKind.OWNER, algorithm)
    path = directory / "buyer.pem"
    path.write_text(made.public_pem)
    return path


def test_a_new_voucher_names_its_buyer(tmp_path: Path, databases: NewDatabase) -> None:
    site = Site(tmp_path, databases=databases)
    path = buyer_file(tmp_path, KeyAlgorithm.P256)
    settings = site.settings(Role.MANUFACTURING, next_owner_file=path)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with site.serve(settings) as factory:
        factory.call(key, "PUT", "/rvinfo", json=RVINFO)
        device = SoftDevice.made_at(Wire.to(factory.url))
        guid = device.credential.guid
        pem = factory.call(key, "GET", f"/vouchers/{guid}/pem").content
    (voucher,) = load_vouchers(pem)
    verify(voucher)
    buyer = KeyStore(tmp_path / "buyer", b"").list()[0]
    assert voucher.owner_key.fingerprint() == buyer.fingerprint


def test_a_buyer_of_another_key_type_gets_no_device(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    path = buyer_file(tmp_path, KeyAlgorithm.P384)
    settings = site.settings(Role.MANUFACTURING, next_owner_file=path)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with site.serve(settings) as factory:
        factory.call(key, "PUT", "/rvinfo", json=RVINFO)
        with pytest.raises(PeerFailed):
            SoftDevice.made_at(Wire.to(factory.url))
        assert factory.call(key, "GET", "/vouchers").json()["items"] == []


@pytest.mark.parametrize("text", ["", "no key", None])
def test_a_factory_does_not_start_without_its_buyers_key(
    tmp_path: Path, text: str | None, databases: NewDatabase
) -> None:
    site, path = Site(tmp_path, databases=databases), tmp_path / "buyer.pem"
    if text is not None:
        path.write_text(text)
    settings = site.settings(Role.MANUFACTURING, next_owner_file=path)
    with pytest.raises(SettingsError, match=r"buyer\.pem"), site.serve(settings):
        pass
