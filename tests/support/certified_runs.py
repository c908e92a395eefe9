"""Runs of every protocol against a `Certifier`, each with a device of its own.

All keys are TEST KEYS.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from onboarding.protocol.device_env import DiDeviceEnv, To0OwnerEnv
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.step import Send
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.wire.message import MsgType
from onboarding.wire.mfg_info import MfgInfo
from ownership_vouchers.algorithms import SigningKey, SoftSigner
from ownership_vouchers.extend import extend, next_owner_key
from ownership_vouchers.keys import KeyEncoding
from ownership_vouchers.pem import dump_pem, load_buyer
from ownership_vouchers.to2_address import To2Address, TransportProtocol
from tests.support.cases import Case, Cast
from tests.support.certifier import Certifier, Conversation
from tests.support.fdo_roles import Roles
from tests.support.profiles import P256, Profile
from tests.support.supply_chain import SupplyChain, new_key

ADDRESS = To2Address("192.0.2.7", "owner.example.test", 8043, TransportProtocol.HTTPS)


@dataclass
class Run:
    """A conversation that has not begun, and who takes part in it."""

    talk: Conversation
    cast: Cast

    def altered(self, case: Case) -> bytes:
        """Return the next message with the one thing wrong."""
        move = self.talk.until(case.message)
        alter = case.change(self.cast)
        if case.envelope:
            return alter(move.body)
        tunnel = self.tunnel(move)
        if tunnel is None:
            return alter(move.body)
        plain = alter(tunnel.open(move.body))
        sealed: bytes = tunnel.seal(plain, secrets.token_bytes, 1 << 31)
        return sealed

    def tunnel(self, move: Send) -> Any:
        """Return the tunnel that the message goes through, None before 65."""
        if move.type < MsgType.TO2_SETUP_DEVICE:
            return None
        return self.talk.client._tunnel


@cache
def _supply_chain(profile: Profile) -> SupplyChain:
    return profile.supply_chain()


def new_device(profile: Profile = P256) -> SupplyChain:
    """A device that was sold to a dealer; its voucher is in ``voucher``."""
    return _supply_chain(profile).make_device().sell_to("dealer")


@cache
def _other(kind: str, encoding: KeyEncoding) -> SupplyChain:
    return SupplyChain(kind, encoding).make_device().sell_to("somebody else")


@cache
def _stranger(kind: str) -> SoftSigner:
    return SoftSigner(new_key(kind, "stranger"), pss=kind.endswith("PSS"))


def cast_of(chain: SupplyChain, owner: Any) -> Cast:
    other = _other(chain.kind, chain.encoding).voucher
    maker = chain.manufacturer.signer
    device = chain.device_signer
    return Cast(device, owner, maker, _stranger(chain.kind), chain.voucher, other)


def di(bench: Certifier) -> Run:
    profile = bench.profile
    chain = _supply_chain(profile).make_device()
    serial = f"SN-{secrets.token_hex(4)}"
    info = MfgInfo(
        profile.key_type,
        profile.encoding,
        serial,
        "test-device",
        _request(chain.device_key, serial, pss=profile.algorithm.pss),
    )
    mac = Roles(chain).mac_key
    client = DiDevice(DiDeviceEnv(info, mac))
    return Run(Conversation(bench, client), cast_of(chain, chain.owner.signer))


def _request(key: SigningKey, serial: str, *, pss: bool) -> bytes:
    """A certificate request for ``key``, DER."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    digest = hashes.SHA384() if key.key_size in (384, 3072) else hashes.SHA256()
    salted = padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else None
    made = builder.sign(key, digest, rsa_padding=salted)
    return made.public_bytes(Encoding.DER)


def registering(bench: Certifier, chain: SupplyChain) -> Conversation:
    """TO0 for the device of ``chain``, by its owner."""
    env = To0OwnerEnv(chain.voucher, chain.owner.signer, (ADDRESS,), 3600)
    return Conversation(bench, To0Owner(env))


def to0(bench: Certifier) -> Run:
    chain = new_device(bench.profile).sell_to("owner")
    return Run(registering(bench, chain), cast_of(chain, chain.owner.signer))


def to1(bench: Certifier) -> Run:
    chain = new_device(bench.profile).sell_to("owner")
    registering(bench, chain).finish()
    client = To1Device(Roles(chain).to1_device_env())
    return Run(Conversation(bench, client), cast_of(chain, chain.owner.signer))


def to2(bench: Certifier) -> Run:
    """The owner's voucher has two entries: dealer, and the owner's own."""
    chain, profile = new_device(bench.profile), bench.profile
    seller = chain.owner
    ours = next_owner_key(chain.voucher, *load_buyer(bench.owner_pem.encode()))
    sold = extend(chain.verified, seller.signer, seller.public_key, ours)
    reply = bench.call("POST", "/vouchers", content=dump_pem(sold))
    assert reply.status_code == 200, reply.text
    env = Roles(chain).device_env(kex=profile.kex, cipher=profile.cipher)
    return Run(Conversation(bench, To2Device(env)), cast_of(chain, bench.owner))


RUNS: Mapping[str, Callable[[Certifier], Run]] = {
    "DI": di,
    "TO0": to0,
    "TO1": to1,
    "TO2": to2,
}


def run_of(message: MsgType) -> Callable[[Certifier], Run]:
    """Return what begins the protocol that a message belongs to."""
    names = {1: "DI", 2: "TO0", 3: "TO1"}
    return RUNS[names.get(int(message) // 10, "TO2")]
