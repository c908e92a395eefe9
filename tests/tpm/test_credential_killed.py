"""An agent killed outright at any instant: what it left is one whole credential.

Where exactly it dies is left to chance; ``test_credential_cut`` goes through every
command to the TPM one by one.
"""

import secrets
import subprocess
import sys
import time
from pathlib import Path

from onboarding.device.config import DeviceConfig
from onboarding.device.machine import Machine
from onboarding.device.standard import DC_TPM, dctpm
from ownership_vouchers.algorithms import Alg, verify
from tests.support.swtpm import MakeSoftwareTpm

KILLS = 4
HEADER = b"header of a voucher"

# Changes hands for ever, and tells the number of each credential once it has it.
AGENT = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric import ec
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity, Owner
from onboarding.device.machine import Machine
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid, Hash, HashType

def credential(number):
    key_hash = Hash.of(HashType.SHA256, b"key")
    guid = Guid(number.to_bytes(16, "big"))
    return DeviceCredential(guid, "board", cbor.encode([]), key_hash)

tcti, directory, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
owner = Owner(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://[::1]:1")
with Machine(DeviceConfig("SN-1", "generic-sbc-tpm", "b", tcti), directory) as machine:
    if number == 0:
        machine.keep(Identity(credential(0), keys=machine.create_keys().refs))
    print(number, flush=True)
    while True:
        number += 1
        mac, _ = machine.create_mac_key()
        identity = machine.identity()
        machine.keep(
            identity.awaiting(identity.active, credential(number), owner, mac)
        )
        machine.keep(machine.identity().taken())
        print(number, flush=True)
"""


def test_an_agent_killed_at_any_instant_leaves_one_whole_credential(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    tcti, told = make_software_tpm("killed").start(), 0
    for _ in range(KILLS):
        told = killed_somewhere(tcti, tmp_path, told)
        config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", tcti)
        with Machine(config, tmp_path) as machine:
            active = whole(machine)
        assert active in (told, told + 1)
        told = active


def killed_somewhere(tcti: str, directory: Path, number: int) -> int:
    """Run the agent from a credential on; the number of the last that it told of."""
    command = [sys.executable, "-c", AGENT, tcti, str(directory), str(number)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None
        told = [agent.stdout.readline()]
        time.sleep(secrets.randbelow(300) / 1000)  # any instant will do
        agent.kill()
        told += agent.stdout.read().splitlines()
    return int(told[-1])


def whole(machine: Machine) -> int:
    """The number of the active credential, whose keys answer and others find."""
    identity = machine.identity()
    key = machine.device_key
    verify(key.public_key, Alg(key.alg), key.sign(HEADER), HEADER)
    for one in identity.candidates():
        assert len(machine.mac_key(one).mac(HEADER)) == 32
    assert machine.tpm.nv_read(DC_TPM) == dctpm(identity.active)
    return int.from_bytes(identity.active.guid.raw, "big")
