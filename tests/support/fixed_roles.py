"""Runs of every protocol that are the same, byte for byte, each time they are made.

Keys and vouchers are those of tests/vectors/fdo and tests/vectors/own; signatures are
deterministic and what is drawn follows from a seed. TEST KEYS, all of them.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cryptography import x509

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
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.types import HashType
from ownership_vouchers.voucher import Voucher
from tests.support.cases import Cast
from tests.support.fdo_roles import NOW, Roles
from tests.support.fixed_keys import KINDS, Fixed, Steady, signer
from tests.support.short_roles import ADDRESS
from tests.support.supply_chain import Party, SupplyChain
from tests.support.transcripts import VECTORS
from tests.support.wire_pair import WirePair

MAKER, DEALER, OWNER, DEVICE, STRANGER = "mfg", "owner1", "owner2", "device", "stranger"


@cache
def _vouchers() -> Mapping[str, Any]:
    given = json.loads((VECTORS / "vouchers.json").read_text())["vouchers"]
    return {one["name"]: one for one in given}


def _party(fixed: Fixed, whose: str) -> Party:
    kind, encoding = fixed.profile.kind, fixed.profile.encoding
    held = signer(kind, whose)
    pss = kind.endswith("PSS")
    public = PublicKey.of(
        held.public_key, encoding, key_type=fixed.profile.key_type, pss=pss
    )
    return Party(whose, held.private_key, held, public, ())


class FixedChain(SupplyChain):
    """The given device, sold to a dealer and by him to the owner."""

    def __init__(self, fixed: Fixed) -> None:
        record = _vouchers()[fixed.base]
        self.fixed = fixed
        self.hash_type = HashType(record["hmac_alg"]).plain
        self.hmac_secret = bytes.fromhex(record["hmac_secret"])
        self.device_signer = signer(fixed.profile.kind, DEVICE)
        self.manufacturer = _party(fixed, MAKER)
        self.owner = _party(fixed, OWNER)
        given = Voucher.from_cbor(bytes.fromhex(record["voucher"]))
        chain = given.cert_chain or ()
        self.device_root = x509.load_der_x509_certificate(chain[-1])
        dealer = _party(fixed, DEALER)
        self.voucher = extend(
            given, dealer.signer, dealer.public_key, self.owner.public_key
        )


@cache
def chain(kind: str) -> FixedChain:
    return FixedChain(KINDS[kind])


@cache
def cast(kind: str) -> Cast:
    made, fixed = chain(kind), KINDS[kind]
    other = Voucher.from_cbor(bytes.fromhex(_vouchers()[fixed.other]["voucher"]))
    maker, owner = made.manufacturer.signer, made.owner.signer
    stranger = signer(kind, STRANGER)
    return Cast(made.device_signer, owner, maker, stranger, made.voucher, other)


def di(kind: str) -> WirePair[Any]:
    made = chain(kind)
    device: Any = made.device_signer
    maker = made.manufacturer.public_key
    request = certificate_request(device, "SN-1")
    info = MfgInfo(maker.type, maker.encoding, "SN-1", "vector-device", request)
    issued = made.voucher.cert_chain or ()
    env = DiServerEnv(
        NOW,
        Steady("manufacturer"),
        lambda _info: made.voucher.header.rv_info,
        lambda wanted, *_: maker if wanted is maker.type else None,
        lambda _key, _serial: issued,
    )
    mac_key = SoftHmac(made.hmac_secret, int(made.hash_type.keyed))
    return WirePair(DiDevice(DiDeviceEnv(info, mac_key)), DI, env)


def to0(kind: str) -> WirePair[Any]:
    made = chain(kind)
    env = To0RendezvousEnv(NOW, Steady("rendezvous"), lambda _guid: None)
    owner = To0OwnerEnv(made.voucher, made.owner.signer, (ADDRESS,), 3600)
    return WirePair(To0Owner(owner), TO0, env)


@cache
def _to1d(kind: str) -> bytes:
    pair = to0(kind)
    pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, StoreRegistration)
    return effect.registration.to1d


def to1(kind: str) -> WirePair[Any]:
    roles = Roles(chain(kind))
    env = roles.to1_env(_to1d(kind))
    drawn = type(env)(Steady("rendezvous"), env.find_registration)
    return WirePair(To1Device(roles.to1_device_env()), TO1, drawn)


def to2(kind: str) -> WirePair[Any]:
    roles, ours, theirs = Roles(chain(kind)), Steady("owner"), Steady("device")
    profile = KINDS[kind].profile
    client = To2Device(
        roles.device_env(
            random=theirs,
            new_kex_key=theirs.key,
            new_dh_key=theirs.dh_key,
            kex=profile.kex,
            cipher=profile.cipher,
            to1d=_to1d(kind),
        )
    )
    env = roles.owner_env(random=ours, new_kex_key=ours.key, new_dh_key=ours.dh_key)
    return WirePair(client, TO2, env, random=Steady("between"))


RUNS: Mapping[str, Callable[[str], WirePair[Any]]] = {
    "DI": di,
    "TO0": to0,
    "TO1": to1,
    "TO2": to2,
}
