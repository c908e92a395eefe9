"""A device whose keys are in a TPM, of the kind that FDO's oldest devices have: RSA."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hw.inventory_reader import take_inventory
from onboarding.device.config import DeviceConfig
from onboarding.device.factory import initialise
from onboarding.device.http import new_client
from onboarding.device.machine import Machine
from onboarding.device.modules.inventory import InventoryModule
from onboarding.protocol.device_env import To2DeviceEnv
from onboarding.protocol.to2_device import To2Device
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from tests.support.fdo_chain import Chain, joined
from tests.support.machine_trees import UEFI_SERVER, planted
from tests.support.services import Wire
from tests.support.soft_device import FACTS
from tests.support.swtpm import MakeSoftwareTpm

pytest_plugins = ["tests.support.service_fixtures"]


@pytest.fixture(scope="module")
def rsa_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    yield from joined(tmp_path_factory.mktemp("rsa"), KeyAlgorithm.RSA2048)


def test_a_device_with_an_rsa_key_in_its_tpm_goes_from_factory_to_owner(
    rsa_chain: Chain, make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    tcti = make_software_tpm("RSA device").start()
    kind = KeyAlgorithm.RSA2048
    config = DeviceConfig("SN-RSA", "generic-sbc-tpm", "board", tcti, kind, kind)
    with closing(new_client()) as client, Machine(config, tmp_path) as machine:
        made = initialise(machine, client, rsa_chain.factory.url)
        assert isinstance(machine.device_key.public_key, rsa.RSAPublicKey)
        guid = made.identity.active.guid
        buyer = {"next_owner_pem": rsa_chain.site.keys[KeyKind.OWNER].public_pem}
        sold = rsa_chain.factory.call(
            rsa_chain.factory_key, "POST", f"/vouchers/{guid}/extend", json=buyer
        )
        assert rsa_chain.take(str(sold.json()["pem"])).status_code == 200
        credential = machine.identity().active
        told = take_inventory(
            planted(tmp_path / "root", UEFI_SERVER), machine.tpm.maker()
        )
        env = To2DeviceEnv(
            credential=credential,
            device_key=machine.device_key,
            mac_key=machine.mac_key(credential),
            new_mac_key=lambda: machine.create_mac_key()[1],
            random=secrets.token_bytes,
            new_kex_key=ec.generate_private_key,
            devmod=FACTS,
            modules=(InventoryModule(lambda: told),),
        )
        done = Wire.to(rsa_chain.owner.url).run(To2Device(env))
    assert done.credential is not None
    assert done.credential.guid != guid
    path = f"/devices/{done.credential.guid}"
    shown = rsa_chain.owner.call(rsa_chain.owner_key, "GET", path).json()
    assert shown["inventory"] == told.to_item()
    assert None not in shown["inventory"].values()
    assert shown["inventory"]["disks"]
    assert shown["inventory"]["nics"]
    assert shown["inventory"]["tpm"]["manufacturer"] == "IBM"
    # It has a TPM and says so; nothing was shown of it.
    assert shown["assurance"]["weaker"] is True
    assert shown["assurance"]["level"] == "no-tpm"
    assert shown["inventory"]["memory"] > 0
    assert "org.vouchgate.inventory" not in str(shown["modules"])
