"""Devices without a TPM, as the factory left them. TEST KEYS."""

from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity
from onboarding.device.machine import Machine
from ownership_vouchers.key_algorithm import KeyAlgorithm
from tests.support.fdo_roles import Roles


def machine_of(roles: Roles, directory: Path) -> Machine:
    """A machine without a TPM, as the factory left it."""
    chain = roles.chain
    kinds = KeyAlgorithm(chain.device_kind), KeyAlgorithm(chain.kind)
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", None, *kinds)
    machine = Machine(config, directory)
    machine.create_keys()
    der = roles.chain.device_key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    (directory / "device-key.der").write_bytes(der)
    (directory / "hmac.secret").write_bytes(roles.chain.hmac_secret)
    machine.keep(Identity(roles.credential))
    return machine
