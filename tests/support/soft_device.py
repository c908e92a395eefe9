"""A device in software for services: DI, TO1 and TO2 over a `Wire`. TEST KEYS."""

import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hw.keys import DeviceKey, SoftHmac, new_soft_key
from onboarding.device.csr import certificate_request
from onboarding.protocol.device_env import (
    DeviceCredential,
    DevmodFacts,
    DiDeviceEnv,
    Onboarded,
    To1DeviceEnv,
    To2DeviceEnv,
)
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.wire.mfg_info import MfgInfo
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.keys import KeyEncoding
from tests.support.services import Wire

FACTS = DevmodFacts("Linux", "aarch64", "1.0", "test-board", serial="SN-1")


@dataclass
class SoftDevice:
    """Keys, and the credential that DI and TO2 leave behind."""

    key: DeviceKey
    mac: SoftHmac
    credential: DeviceCredential

    @classmethod
    def made_at(
        cls,
        wire: Wire,
        serial: str = "SN-1",
        curve: str = "P-256",
        key: DeviceKey | None = None,
        maker: str | None = None,
        encoding: KeyEncoding = KeyEncoding.X509,
    ) -> "SoftDevice":
        """Run DI; with a key of its own unless one is given, such as a TPM's.

        ``maker`` is the kind of the manufacturer's key, if another.
        """
        kind = KeyAlgorithm(curve)
        key = key or new_soft_key(kind)
        size, hash_type = (48, 6) if kind.strong else (32, 5)
        mac = SoftHmac(secrets.token_bytes(size), hash_type)
        env = cls.di_env(serial, curve, key, mac, maker, encoding)
        return cls(key, mac, wire.run(DiDevice(env)))

    @staticmethod
    def di_env(
        serial: str = "SN-1",
        curve: str = "P-256",
        key: DeviceKey | None = None,
        mac: SoftHmac | None = None,
        maker: str | None = None,
        encoding: KeyEncoding = KeyEncoding.X509,
    ) -> DiDeviceEnv:
        """What the device's side of DI knows; as ``made_at``."""
        key = key or new_soft_key(curve)
        info = MfgInfo(
            KeyAlgorithm(maker or curve).key_type,
            encoding,
            serial,
            "test-device",
            certificate_request(key, serial),
        )
        return DiDeviceEnv(info, mac or SoftHmac(secrets.token_bytes(32)))

    def to1(self) -> To1Device:
        return To1Device(To1DeviceEnv(self.credential.guid, self.key))

    def to2(self, **changed: Any) -> To2Device:
        return To2Device(self.to2_env(**changed))

    def to2_env(self, **changed: Any) -> To2DeviceEnv:
        values: dict[str, Any] = {
            "credential": self.credential,
            "device_key": self.key,
            "mac_key": self.mac,
            "random": secrets.token_bytes,
            "new_kex_key": ec.generate_private_key,
            "devmod": FACTS,
        }
        return To2DeviceEnv(**{**values, **changed})

    def onboard(self, wire: Wire, **changed: Any) -> Onboarded:
        """Run TO2 and keep the new credential."""
        done: Onboarded = wire.run(self.to2(**changed))
        if done.credential is not None:
            self.credential = done.credential
        return done
