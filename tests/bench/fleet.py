"""Simulated devices: real protocol roles over keys held in memory."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from hw.keys import HMAC_SHA256, SoftHmac, SoftKey, new_soft_key
from onboarding.device.csr import certificate_request
from onboarding.protocol.device_env import (
    DeviceCredential,
    DevmodFacts,
    DiDeviceEnv,
    To1DeviceEnv,
    To2DeviceEnv,
)
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.modules import Message
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.wire.mfg_info import MfgInfo
from ownership_vouchers import cbor
from ownership_vouchers.keys import KeyEncoding, KeyType
from tests.bench.http_load import Connection, run_role

MODEL = "bench-board"


class Download:
    """fdo.download on the device's side, kept in memory."""

    name = "fdo.download"

    def __init__(self) -> None:
        self.received = b""
        self._length = 0

    def activated(self) -> Sequence[Message]:
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        if message == "length":
            self._length = cbor.uint(cbor.decode(value), 32)
        if message != "data":
            return []
        for chunk in cbor.split_sequence(value, 64, 65535):
            self.received += cbor.bstr(cbor.decode(chunk))
        if len(self.received) < self._length:
            return []
        return [("done", cbor.encode(len(self.received)))]


@dataclass(slots=True)
class BenchDevice:
    """One device on its way; filled in by each phase."""

    serial: str
    key: SoftKey = field(repr=False)
    mac: SoftHmac = field(repr=False)
    csr: bytes = field(repr=False)
    credential: DeviceCredential | None = None
    to1d: bytes | None = None
    downloaded: int = 0

    @classmethod
    def make(cls, number: int) -> "BenchDevice":
        key = new_soft_key("P-256")
        serial = f"bench-{number:06d}"
        mac = SoftHmac(secrets.token_bytes(32), HMAC_SHA256)
        return cls(serial, key, mac, certificate_request(key, serial))

    def known(self) -> DeviceCredential:
        if self.credential is None:
            raise SystemExit(f"bench: {self.serial} has not been through DI")
        return self.credential


async def initialise(connection: Connection, device: BenchDevice) -> None:
    """DI: 2 requests."""
    info = MfgInfo(
        KeyType.SECP256R1, KeyEncoding.X509, device.serial, MODEL, device.csr
    )
    role = DiDevice(DiDeviceEnv(info, device.mac))
    device.credential = await run_role(connection, role)


async def rendezvous(connection: Connection, device: BenchDevice) -> None:
    """TO1: 2 requests."""
    role = To1Device(To1DeviceEnv(device.known().guid, device.key))
    device.to1d = await run_role(connection, role)


async def onboard(connection: Connection, device: BenchDevice) -> None:
    """TO2: one entry, devmod and one download."""
    download = Download()
    role = To2Device(
        To2DeviceEnv(
            credential=device.known(),
            device_key=device.key,
            mac_key=device.mac,
            random=secrets.token_bytes,
            new_kex_key=ec.generate_private_key,
            devmod=DevmodFacts("linux", "x86_64", "1", MODEL, device.serial),
            modules=(download,),
            to1d=device.to1d,
        )
    )
    await run_role(connection, role)
    device.downloaded = len(download.received)
