"""Our own device: whole, and as bare protocol roles where a test says which suites."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hw.keys import HMAC_SHA256, HMAC_SHA384, SoftHmac, new_soft_key
from onboarding.device.config import DeviceConfig, write_private
from onboarding.device.csr import certificate_request
from onboarding.device.factory import initialise
from onboarding.device.fdo_run import drive
from onboarding.device.http import FdoChannel, new_client
from onboarding.device.machine import Machine
from onboarding.device.modules import permits
from onboarding.device.onboard import Onboarder, Patience, Taken
from onboarding.device.takeover import ask_rendezvous
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
from onboarding.wire.message import KexSuite
from onboarding.wire.mfg_info import MfgInfo
from ownership_vouchers.algorithms import Signer, SoftSigner
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.keys import KeyEncoding, KeyType
from ownership_vouchers.mac0 import MacSuite

CURVES = {"ec256": "P-256", "ec384": "P-384"}
KEY_TYPES = {
    "ec256": KeyType.SECP256R1,
    "ec384": KeyType.SECP384R1,
    "rsa2048": KeyType.RSA2048RESTR,
    "rsa3072": KeyType.RSAPKCS,
    "pss2048": KeyType.RSAPSS,
    "pss3072": KeyType.RSAPSS,
}
WEAK = ("ec256", "rsa2048", "pss2048")  # those that go with SHA-256
ENCODINGS = {
    "x509": KeyEncoding.X509,
    "x5chain": KeyEncoding.X5CHAIN,
    "cose": KeyEncoding.COSEKEY,
}
FACTS = DevmodFacts("Linux", "x86_64", "1.0", "ours")
ROUNDS = 2
_NUMBERS = count(1)


@dataclass(frozen=True)
class OurDevice:
    """The device as `vouchgate device` runs it; it waits for nothing."""

    directory: Path
    serial: str
    machine: Machine
    client: httpx.Client

    def initialise(self, url: str) -> str:
        """Run DI; return the GUID."""
        initialise(self.machine, self.client, url)
        return self.guid

    @property
    def guid(self) -> str:
        return str(self.machine.identity().active.guid)

    def permit(self, chosen: str) -> None:
        """Write ``modules.json``."""
        write_private(self.directory / permits.FILE, chosen.encode())

    def onboard(self) -> Taken:
        """Run TO1 and TO2, as its rendezvous information says."""
        patience = Patience(ROUNDS, sleep=lambda _seconds: None)
        return Onboarder(self.machine, self.client, patience).run()

    def find_owner(self, rendezvous: str) -> bytes:
        """Run TO1 alone; return to1d."""
        credential = self.machine.identity().active
        channel = FdoChannel(self.client, rendezvous)
        return ask_rendezvous(self.machine, channel, credential)


@contextmanager
def our_device(
    directory: Path, key: str = "ec256", *, tcti: str | None = None, reuse: bool = True
) -> Iterator[OurDevice]:
    """A new device, with keys in files unless ``tcti`` names a TPM."""
    serial = f"OUR-{next(_NUMBERS):04d}"
    board = "generic-sbc-tpm"
    kind = KeyAlgorithm(CURVES[key])
    config = DeviceConfig(serial, board, "ours", tcti, kind, kind, reuse)
    with Machine(config, directory) as machine, closing(new_client()) as client:
        yield OurDevice(directory, serial, machine, client)


@dataclass(frozen=True)
class ChosenDevice:
    """DI, TO1 and TO2 of ours, where a test says which key, encoding and suites."""

    key: Signer
    mac: SoftHmac
    credential: DeviceCredential
    client: httpx.Client
    serial: str

    @classmethod
    def made_at(
        cls, client: httpx.Client, url: str, key: str, encoding: str
    ) -> "ChosenDevice":
        """Run DI, asking for a manufacturer's key of that kind and encoding."""
        serial = f"CHOSEN-{next(_NUMBERS):04d}"
        device_key, request = _key_and_request(key, serial)
        size, kind = (32, HMAC_SHA256) if key in WEAK else (48, HMAC_SHA384)
        mac = SoftHmac(secrets.token_bytes(size), kind)
        wanted = (KEY_TYPES[key], ENCODINGS[encoding])
        info = MfgInfo(*wanted, serial, "ours", request)
        role = DiDevice(DiDeviceEnv(info, mac))
        credential = drive(FdoChannel(client, url), role)
        return cls(device_key, mac, credential, client, serial)

    @property
    def guid(self) -> str:
        return str(self.credential.guid)

    def find_owner(self, url: str) -> bytes:
        """Run TO1; return to1d."""
        role = To1Device(To1DeviceEnv(self.credential.guid, self.key))
        return drive(FdoChannel(self.client, url), role)

    def onboard(self, url: str, to1d: bytes | None, **chosen: Any) -> "ChosenDevice":
        """Run TO2; return the device with its new credential."""
        values: dict[str, Any] = {
            "credential": self.credential,
            "device_key": self.key,
            "mac_key": self.mac,
            "random": secrets.token_bytes,
            "new_kex_key": ec.generate_private_key,
            "devmod": replace(FACTS, serial=self.serial),
            "to1d": to1d,
        }
        role = To2Device(To2DeviceEnv(**{**values, **chosen}))
        done: Onboarded = drive(FdoChannel(self.client, url), role)
        return replace(self, credential=done.credential or self.credential)


def _key_and_request(key: str, serial: str) -> tuple[Signer, bytes]:
    """A private key, and the certificate request that it signed."""
    if key in CURVES:
        made = new_soft_key(CURVES[key])
        return made, certificate_request(made, serial)
    private = _rsa_key(int(key[3:]))
    hashing = hashes.SHA256() if key in WEAK else hashes.SHA384()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.sign(private, hashing)
    signer = SoftSigner(private, pss=key.startswith("pss"))
    return signer, request.public_bytes(Encoding.DER)


@cache
def _rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """One TEST KEY of each size: to make one takes its time."""
    return rsa.generate_private_key(65537, bits)


def suites(kex: str, cipher: str) -> dict[str, object]:
    """What ``ChosenDevice.onboard`` takes for these names."""
    family = MacSuite if cipher in MacSuite.__members__ else Aead
    return {"kex": KexSuite(kex), "cipher": family[cipher]}
