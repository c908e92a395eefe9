"""Runs of every protocol that are the same, byte for byte, each time they are made.

Keys and vouchers are those of tests/vectors/fdo; signatures are deterministic (RFC
6979) and what is drawn follows from a seed. TEST KEYS, all of them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key

from hw.keys import SoftHmac
from onboarding.device.csr import certificate_request
from onboarding.protocol.device_env import DiDeviceEnv, To0OwnerEnv
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.env import DiServerEnv, To0RendezvousEnv
from onboarding.protocol.registry import DI, TO0, TO1, TO2
from onboarding.protocol.step import StoreRegistration
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.wire.mfg_info import MfgInfo
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey
from ownership_vouchers.types import HashType
from ownership_vouchers.voucher import Voucher
from tests.support.cases import Cast
from tests.support.fdo_roles import NOW, Roles
from tests.support.short_roles import ADDRESS
from tests.support.supply_chain import Party, SupplyChain
from tests.support.transcripts import VECTORS
from tests.support.wire_pair import WirePair

MAKER, DEALER, OWNER, DEVICE = (
    "EC256-mfg",
    "EC256-owner1",
    "EC256-owner2",
    "EC256-device",
)
STRANGER = 0x5EED  # a private key
BASE, OTHER = "SECP256R1-x509-1", "SECP256R1-x509-3"  # in vouchers.json


class SteadySigner(SoftSigner):
    """Signs the same bytes with the same signature each time."""

    __slots__ = ()

    def sign(self, data: bytes) -> bytes:
        key = self.private_key
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(key.sign(data, how))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Steady:
    """A source of randomness that draws the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._seed} {self._count}".encode()).digest(size)

    def key(self, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        """Draw an ephemeral key; the top bit is left out, to stay in the group."""
        scalar = int.from_bytes(self(curve.key_size // 8), "big")
        return ec.derive_private_key(scalar >> 1 or 1, curve)


@cache
def _vouchers() -> Mapping[str, Any]:
    given = json.loads((VECTORS / "vouchers.json").read_text())["vouchers"]
    return {one["name"]: one for one in given}


def _signer(name: str) -> SteadySigner:
    keys = json.loads((VECTORS / "keys.json").read_text())["keys"]
    der = bytes.fromhex(keys[name]["private_pkcs8_der"])
    key = load_der_private_key(der, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return SteadySigner(key)


def _party(name: str) -> Party:
    signer = _signer(name)
    public = PublicKey.of(signer.public_key)
    return Party(name, signer.private_key, signer, public, ())


class FixedChain(SupplyChain):
    """The given device, sold to a dealer and by him to the owner."""

    def __init__(self) -> None:
        record = _vouchers()[BASE]
        self.hash_type = HashType.SHA256
        self.hmac_secret = bytes.fromhex(record["hmac_secret"])
        self.device_signer = _signer(DEVICE)
        self.manufacturer, self.owner = _party(MAKER), _party(OWNER)
        given = Voucher.from_cbor(bytes.fromhex(record["voucher"]))
        chain = given.cert_chain or ()
        self.device_root = x509.load_der_x509_certificate(chain[-1])
        dealer = _party(DEALER)
        self.voucher = extend(
            given, dealer.signer, dealer.public_key, self.owner.public_key
        )


@cache
def chain() -> FixedChain:
    return FixedChain()


@cache
def cast() -> Cast:
    fixed = chain()
    stranger = ec.derive_private_key(STRANGER, ec.SECP256R1())
    other = Voucher.from_cbor(bytes.fromhex(_vouchers()[OTHER]["voucher"]))
    maker, owner = fixed.manufacturer.signer, fixed.owner.signer
    return Cast(
        fixed.device_signer, owner, maker, SteadySigner(stranger), fixed.voucher, other
    )


def di() -> WirePair[Any]:
    fixed = chain()
    device: Any = fixed.device_signer
    info = MfgInfo(
        KeyType.SECP256R1,
        KeyEncoding.X509,
        "SN-1",
        "vector-device",
        certificate_request(device, "SN-1"),
    )
    issued = fixed.voucher.cert_chain or ()
    env = DiServerEnv(
        NOW,
        Steady("manufacturer"),
        lambda _info: fixed.voucher.header.rv_info,
        lambda kind, *_: fixed.manufacturer.public_key if kind == 10 else None,
        lambda _key, _serial: issued,
    )
    client = DiDevice(DiDeviceEnv(info, SoftHmac(fixed.hmac_secret)))
    return WirePair(client, DI, env)


def to0() -> WirePair[Any]:
    fixed = chain()
    env = To0RendezvousEnv(NOW, Steady("rendezvous"), lambda _guid: None)
    owner = To0OwnerEnv(fixed.voucher, fixed.owner.signer, (ADDRESS,), 3600)
    return WirePair(To0Owner(owner), TO0, env)


@cache
def _to1d() -> bytes:
    pair = to0()
    pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, StoreRegistration)
    return effect.registration.to1d


def to1() -> WirePair[Any]:
    roles = Roles(chain())
    env = roles.to1_env(_to1d())
    drawn = type(env)(Steady("rendezvous"), env.find_registration)
    return WirePair(To1Device(roles.to1_device_env()), TO1, drawn)


def to2() -> WirePair[Any]:
    roles, ours, theirs = Roles(chain()), Steady("owner"), Steady("device")
    client = To2Device(
        roles.device_env(random=theirs, new_kex_key=theirs.key, to1d=_to1d())
    )
    env = roles.owner_env(random=ours, new_kex_key=ours.key)
    return WirePair(client, TO2, env, random=Steady("between"))


RUNS: Mapping[str, Callable[[], WirePair[Any]]] = {
    "DI": di,
    "TO0": to0,
    "TO1": to1,
    "TO2": to2,
}
