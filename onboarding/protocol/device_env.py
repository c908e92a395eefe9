"""All that a device, or an owner as TO0 client, may learn from outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from onboarding.protocol.ciphers import CipherSuite
from onboarding.protocol.kex import NewDhKey, NewKexKey
from onboarding.protocol.kex.group import new_dh_key
from onboarding.protocol.modules import DeviceModule
from onboarding.wire.message import KexSuite
from onboarding.wire.mfg_info import MfgInfo, NamedDevice
from ownership_vouchers.algorithms import Signer
from ownership_vouchers.rendezvous import To2Address
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.voucher import Voucher


class MacKey(Protocol):
    """The device's HMAC secret, wherever it lives."""

    @property
    def hash_type(self) -> int:
        """5 for HMAC-SHA256, 6 for HMAC-SHA384."""

    def mac(self, data: bytes) -> bytes:
        """Return the HMAC of ``data``: 32 or 48 bytes."""


@dataclass(frozen=True, slots=True)
class DeviceCredential:
    """What a device remembers of the voucher it answers to.

    ``rv_info`` is the RendezvousInfo item as received; ``manufacturer_hash`` is
    DCPubKeyHash, taken over the PublicKey item of the header.
    Source: FDO 1.1, section 3.4.1.
    """

    guid: Guid
    device_info: str
    rv_info: bytes
    manufacturer_hash: Hash


@dataclass(frozen=True, slots=True)
class DiDeviceEnv:
    """The device in DI; ``mac_key`` is made for this credential."""

    mfg_info: MfgInfo | NamedDevice | None
    mac_key: MacKey


@dataclass(frozen=True, slots=True)
class To0OwnerEnv:
    """The owner in TO0; ``signer`` is the voucher's last owner key."""

    voucher: Voucher
    signer: Signer = field(repr=False)
    addresses: tuple[To2Address, ...]
    wait_seconds: int


@dataclass(frozen=True, slots=True)
class To1DeviceEnv:
    """The device in TO1."""

    guid: Guid
    device_key: Signer


@dataclass(frozen=True, slots=True)
class DevmodFacts:
    """What the device says of itself in devmod."""

    os: str
    arch: str
    version: str
    device: str
    serial: str = ""
    path_separator: str = "/"
    list_separator: str = ":"
    bin: str = ""


@dataclass(frozen=True, slots=True)
class To2DeviceEnv:
    """The device in TO2.

    ``to1d`` is what TO1 gave, None when rendezvous was bypassed. The owner's
    key decides which ``kex`` there can be: None takes it to be of the device key's
    kind. ``cipher`` None is one as strong as the key exchange. ``new_mac_key`` makes
    the key that the next owner's header is kept under; None goes on with ``mac_key``.
    """

    credential: DeviceCredential
    device_key: Signer
    mac_key: MacKey
    random: Callable[[int], bytes] = field(repr=False)
    new_kex_key: NewKexKey = field(repr=False)
    devmod: DevmodFacts
    modules: Sequence[DeviceModule] = ()
    new_mac_key: Callable[[], MacKey] | None = field(default=None, repr=False)
    to1d: bytes | None = None
    allow_reuse: bool = False
    kex: KexSuite | None = None
    cipher: CipherSuite | None = None
    max_message: int = 65535  # bytes of any message
    max_service_info: int = 1300  # bytes of one 69
    max_rounds: int = 100_000
    new_dh_key: NewDhKey = field(default=new_dh_key, repr=False)


@dataclass(frozen=True, slots=True)
class Onboarded:
    """What TO2 left the device with; ``credential`` is None when unchanged.

    ``owner_key`` is the PublicKey item of the owner from now on: Owner2Key.
    """

    credential: DeviceCredential | None
    owner_key: bytes
    hmac_type: HashType | None
