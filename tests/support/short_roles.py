"""DI, TO0 and TO1 with both roles joined, for one device of one supply chain.

All keys are TEST KEYS.
"""

import secrets
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from hw.keys import SoftHmac
from onboarding.protocol.device_env import (
    DeviceCredential,
    DiDeviceEnv,
    To0OwnerEnv,
    To1DeviceEnv,
)
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.env import DiServerEnv, To0RendezvousEnv
from onboarding.protocol.registration import Registration
from onboarding.protocol.registry import DI, TO0, TO1
from onboarding.protocol.step import StoreRegistration
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import Board, MfgInfo
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.keys import KeyEncoding, KeyType
from ownership_vouchers.to2_address import To2Address, TransportProtocol
from tests.support.alterations import Alteration
from tests.support.fdo_roles import NOW, Roles
from tests.support.supply_chain import SupplyChain, certificate
from tests.support.wire_pair import WirePair

Alterations = dict[MsgType, Alteration]
CHAIN = SupplyChain().make_device().sell_to("dealer").sell_to("owner")
ROLES = Roles(CHAIN)
SECRET = secrets.token_bytes(32)
BOARD = Board("generic-sbc-tpm", b"public", b"certificate")
ADDRESS = To2Address("192.0.2.7", "owner.example.test", 8043, TransportProtocol.HTTPS)


def request_builder() -> x509.CertificateSigningRequestBuilder:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")])
    return x509.CertificateSigningRequestBuilder().subject_name(name)


def request_for(key: Any, digest: Any = hashes.SHA256) -> bytes:
    return request_builder().sign(key, digest and digest()).public_bytes(Encoding.DER)


DEVICE_KEY = ec.generate_private_key(ec.SECP256R1())
INFO = MfgInfo(
    KeyType.SECP256R1,
    KeyEncoding.X509,
    "SN-1",
    "test-board",
    request_for(DEVICE_KEY),
    board=BOARD,
)


def issue(key: VerifyKey, serial: str) -> tuple[bytes, ...]:
    assert serial == "SN-1"
    assert key == DEVICE_KEY.public_key()
    above = CHAIN.device_ca_key
    leaf = certificate("device", DEVICE_KEY, "device ca", above, ca=False)
    return tuple(one.public_bytes(Encoding.DER) for one in (leaf, CHAIN.device_root))


def di(
    alter: Alterations | None = None, info: MfgInfo = INFO
) -> WirePair[DeviceCredential]:
    maker = CHAIN.manufacturer.public_key
    env = DiServerEnv(
        NOW,
        secrets.token_bytes,
        lambda _info: CHAIN.rv_info,
        lambda kind, _encoding, _key: maker if kind is maker.type else None,
        issue,
    )
    client = DiDevice(DiDeviceEnv(info, SoftHmac(SECRET)))
    return WirePair(client, DI, env, alter=alter or {})


def to0(
    alter: Alterations | None = None,
    chain: SupplyChain = CHAIN,
    wait: int = 3600,
    **changed: Any,
) -> WirePair[int]:
    env = To0RendezvousEnv(NOW, secrets.token_bytes, lambda _guid: None)
    owner = To0OwnerEnv(chain.voucher, chain.owner.signer, (ADDRESS,), wait)
    client = To0Owner(owner)
    return WirePair(client, TO0, replace(env, **changed), alter=alter or {})


def registered(chain: SupplyChain = CHAIN, **changed: Any) -> Registration:
    pair = to0(chain=chain, **changed)
    pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, StoreRegistration)
    return effect.registration


def to1(
    alter: Alterations | None = None, device: To1DeviceEnv | None = None
) -> WirePair[bytes]:
    env = ROLES.to1_env(registered().to1d)
    client = To1Device(device or ROLES.to1_device_env())
    return WirePair(client, TO1, env, alter=alter or {})
