"""Recorded FDO runs of another implementation, with their secrets.

The records are in tests/vectors/fdo; their README says how they were made. All
keys are TEST KEYS.
"""

import json
import secrets
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from onboarding.protocol.ciphers import CipherSuite, known_cipher
from onboarding.protocol.kex.ecdh import CURVES, EcdhParameter
from onboarding.protocol.kex.group import GROUPS
from onboarding.wire.message import KexSuite, MsgType
from onboarding.wire.to2 import ProveDevice, ProveOvHdr
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.mac0 import MacSuite
from ownership_vouchers.voucher import Voucher

VECTORS = Path(__file__).parents[1] / "vectors" / "fdo"
FSIMS = "ec256_ecdh256_a128gcm_fsims"
EC384 = "ec384_ecdh384_a256gcm"
CTR256 = "ec384_cosekey_ecdh384_ctr256_bypass"
ASYMKEX = "rsa2048_asymkex2048_a128gcm"
CBC128 = "rsa2048_dhkexid14_cbc128"
PSS = "rsa3072pss_dhkexid15_a256gcm"
EVERY = (FSIMS, EC384, CTR256, ASYMKEX, CBC128, PSS)
_RSAPSS = 6


@dataclass(frozen=True)
class Recorded:
    """One recorded message; ``plain`` is its body inside the tunnel."""

    request: bool
    type: MsgType
    wire: bytes
    plain: bytes


class Transcript:
    """One recorded run of DI, TO0, TO1 and TO2."""

    def __init__(self, name: str) -> None:
        text = (VECTORS / f"transcript_{name}.json").read_text()
        self.data: dict[str, Any] = json.loads(text)

    def messages(self, protocol: str) -> list[Recorded]:
        return [_recorded(one) for one in self.data[protocol]]

    def of(self, msg: MsgType) -> list[Recorded]:
        """Return all messages of a type, in order."""
        protocols = [p for p in ("di", "to0", "to1", "to2") if p in self.data]
        found = [one for p in protocols for one in self.messages(p)]
        return [one for one in found if one.type is msg]

    def one(self, msg: MsgType) -> Recorded:
        return self.of(msg)[0]

    def signer(self, role: str) -> SoftSigner:
        """Return the key of ``manufacturer``, ``owner`` or ``device``."""
        record = _keys()[self.data["keys"][role]]
        key = load_der_private_key(bytes.fromhex(record["private_pkcs8_der"]), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return SoftSigner(key, pss=self.data["params"]["device_key_type"] == _RSAPSS)

    def voucher(self, when: str) -> Voucher:
        """Return ``voucher_after_di``, ``_for_owner`` or ``_after_to2``."""
        return Voucher.from_cbor(bytes.fromhex(self.data[f"voucher_{when}"]))

    @cached_property
    def suite(self) -> KexSuite:
        return KexSuite(self.data["params"]["kex_suite"])

    @cached_property
    def cipher(self) -> CipherSuite:
        return known_cipher(self.data["params"]["cipher_suite"])

    @property
    def iv_drawn(self) -> int:
        """How many bytes of an IV are drawn at random: what ``Drawn`` is told."""
        cipher = self.cipher
        return 16 if isinstance(cipher, MacSuite) and cipher.chained else 12

    def session(self, name: str) -> bytes:
        return bytes.fromhex(self.data["session"][name])

    def kex_sent(self, side: str) -> bytes:
        """Return xA of ``owner`` or xB of ``device``."""
        if side == "owner":
            message = self.one(MsgType.TO2_PROVE_OV_HDR).wire
            return ProveOvHdr.from_cbor(message).payload.kex
        return ProveDevice.from_cbor(self.one(MsgType.TO2_PROVE_DEVICE).wire).kex

    def kex_drawn(self, side: str) -> tuple[bytes, ...]:
        """Return what ``owner`` or ``device`` drew, but for a private key."""
        if self.suite in CURVES:
            return (EcdhParameter.decode(self.kex_sent(side), self.suite).random,)
        if self.suite in GROUPS:
            return ()
        return (self.session(f"{side}_random"),)

    def kex_keys(self, side: str) -> dict[str, Any]:
        """Return sources of the ephemeral key of ``owner`` or ``device``."""
        name = f"{side}_private"
        if name not in self.data["session"]:
            return {"new_kex_key": _none, "new_dh_key": _none}
        private = int.from_bytes(self.session(name), "big")
        if self.suite in GROUPS:
            public = int.from_bytes(self.kex_sent(side), "big")
            key = GROUPS[self.suite].private_key(private, public)
            return {"new_kex_key": _none, "new_dh_key": lambda _group: key}
        scalar = ec.derive_private_key(private, CURVES[self.suite].curve)
        return {"new_kex_key": lambda _curve: scalar, "new_dh_key": _none}

    def device(self, name: str) -> bytes:
        return bytes.fromhex(self.data["device"][name])


def _none(_group: Any) -> Any:
    raise AssertionError("this key exchange has no key of that kind")


class Drawn:
    """A source of randomness that gives what was recorded, in order.

    IVs are drawn anew: the records are compared by plaintext. Those of 16 bytes look
    like nonces, and come after all that was recorded.
    """

    def __init__(self, *values: bytes, iv_size: int = 12) -> None:
        self._values = list(values)
        self._iv_size = iv_size

    def __call__(self, size: int) -> bytes:
        if size == self._iv_size and (size == 12 or not self._values):
            return secrets.token_bytes(size)
        value = self._values.pop(0)
        assert len(value) == size
        return value


def _recorded(message: dict[str, Any]) -> Recorded:
    wire = bytes.fromhex(message["wire"])
    plain = bytes.fromhex(message["plain"]) if "plain" in message else wire
    return Recorded(message["dir"] == "request", MsgType(message["type"]), wire, plain)


@lru_cache(maxsize=1)
def _keys() -> dict[str, Any]:
    keys: dict[str, Any] = json.loads((VECTORS / "keys.json").read_text())["keys"]
    return keys


def items(data: bytes) -> Any:
    """Decode one CBOR item, whatever it is."""
    return cbor.decode(data)
