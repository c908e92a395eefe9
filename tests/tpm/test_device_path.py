"""A TPM at the path of a character device, as the kernel's driver has it."""

from pathlib import Path

from hw.credential import MAX_CREDENTIAL, NvCredential
from hw.make_credential import make_credential
from hw.quote import check_certify, check_quote
from hw.structures import PublicArea
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity
from onboarding.device.machine import Machine
from onboarding.protocol.device_env import DeviceCredential
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, verify
from ownership_vouchers.types import Guid, Hash, HashType
from tests.support.swtpm import MakeSoftwareTpm
from tests.support.tpm_device import TpmDevice

NONCE = b"nonce of the owner"
CREDENTIAL = DeviceCredential(
    Guid(bytes(16)), "b", cbor.encode([]), Hash.of(HashType.SHA256, b"key")
)


def transient(tcti: str) -> list[int]:
    """Handles that somebody left in the TPM's few slots, past our own code."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import TPM2_CAP

    with ESAPI(tcti) as esys:
        found: list[int] = []
        for kind in (0x80000000, 0x02000000, 0x03000000):
            _, listed = esys.get_capability(TPM2_CAP.HANDLES, kind, 64)
            found += map(int, listed.data.handles)
        return found


def test_a_device_is_made_bound_and_attested_at_a_device_path(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    with TpmDevice(make_software_tpm("at a path").start()) as line:
        config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", line.tcti)
        with Machine(config, tmp_path) as machine:
            machine.keep(Identity(CREDENTIAL, keys=machine.create_keys().refs))
            tpm, key = machine.tpm, machine.tpm.device_key()
            verify(key.public_key, Alg(key.alg), key.sign(b"data"), b"data")
            ak = tpm.create_attestation_key("ecc")
            sent = make_credential(tpm.endorsement_key().public, ak.name, b"secret")
            assert tpm.activate_credential(ak, *sent) == b"secret"
            area = PublicArea.from_bytes(ak.public)
            said = tpm.certify(key, ak, NONCE)
            subject = PublicArea.from_bytes(key.public_area)
            check_certify(area, subject, said.message, said.signature, NONCE)
            made = tpm.quote(ak, NONCE, "sha256", range(24))
            parts = (made.message, made.signature, made.pcr_blob)
            assert len(check_quote(area, *parts, NONCE).pcrs) == 24
        with Machine(config, tmp_path) as machine:
            assert machine.identity().active == CREDENTIAL
            assert len(machine.mac_key(CREDENTIAL).mac(bytes(5000))) == 32
            NvCredential(machine.tpm).save(bytes(MAX_CREDENTIAL))
        assert transient(line.tcti) == []  # no resource manager cleans up behind us
