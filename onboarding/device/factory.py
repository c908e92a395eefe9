"""Device initialisation: the factory makes keys in the TPM and hands out a credential.

Source: FDO 1.1, section 5.2. The passport is the factory station's work: it reads the
endorsement key off the device on its bench and signs for it with its own authority.
"""

from dataclasses import dataclass, replace

import httpx

from hw.evidence import EndorsementKey
from onboarding.device.config import FILE, DeviceConfig
from onboarding.device.credential import Identity
from onboarding.device.csr import certificate_request
from onboarding.device.fdo_run import drive
from onboarding.device.http import FdoChannel
from onboarding.device.machine import Machine
from onboarding.device.progress import forget
from onboarding.protocol.device_env import DiDeviceEnv
from onboarding.protocol.di_device import DiDevice
from onboarding.wire.mfg_info import MfgInfo
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.keys import KeyEncoding, KeyType


@dataclass(frozen=True, slots=True)
class Made:
    """A device as it leaves the bench; no endorsement key if it has no TPM."""

    identity: Identity
    serial: str
    board: str
    endorsement: EndorsementKey | None


def initialise(
    machine: Machine,
    client: httpx.Client,
    url: str,
    line_key: str | None = None,
    encoding: KeyEncoding = KeyEncoding.X509,
) -> Made:
    """Make new keys, run DI against the manufacturer at ``url``, keep the credential.

    Whatever credential the device had before is worthless afterwards; cut short or
    refused, it still has that, and the keys for it.

    Args:
        url: Of the service, or of one of its production lines.
        line_key: What the line's station shows for itself.
        encoding: How the voucher's keys are wanted.

    Raises:
        PeerFailed, Unreachable: The manufacturer refused, or is not there.
        HwError: The TPM refused.
    """
    config = machine.config
    made = machine.create_keys()
    key = made.device_key
    info = MfgInfo(
        config.owner_key.key_type,
        encoding,
        config.serial,
        config.device_info,
        certificate_request(key, config.serial),
    )
    role = DiDevice(DiDeviceEnv(info, made.mac_key))
    credential = drive(FdoChannel(client, url, line_key=line_key), role)
    identity = Identity(credential, keys=made.refs)
    config = _settled(config, role)
    if not (machine.directory / FILE).exists():
        # Cut off after it has a credential, nobody could use it without a description.
        config.save(machine.directory)
    machine.keep(identity)
    config.save(machine.directory)
    forget(machine.directory)
    tpm = machine.tpm if machine.has_tpm else None
    endorsement = None if tpm is None else tpm.endorsement_key(tpm.preferred_ek())
    return Made(identity, config.serial, config.board, endorsement)


def _settled(config: DeviceConfig, role: DiDevice) -> DeviceConfig:
    """The manufacturer may have a key of another kind than was asked for."""
    maker = role.manufacturer_key
    if maker is None:
        return config
    kind = KeyAlgorithm.of(maker.key, pss=maker.type is KeyType.RSAPSS)
    return replace(config, owner_key=kind)
