"""Recorded FDO runs of another implementation, with their secrets.

The records are in tests/vectors/fdo; their README says how they were made. All
keys are TEST KEYS.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from onboarding.protocol.kex import CURVES
from onboarding.wire.message import KexSuite, MsgType
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.cose import IV_SIZE
from ownership_vouchers.voucher import Voucher

VECTORS = Path(__file__).parents[1] / "vectors" / "fdo"
FSIMS = "ec256_ecdh256_a128gcm_fsims"
EC384 = "ec384_ecdh384_a256gcm"
CTR256 = "ec384_cosekey_ecdh384_ctr256_bypass"


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
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return SoftSigner(key)

    def voucher(self, when: str) -> Voucher:
        """Return ``voucher_after_di``, ``_for_owner`` or ``_after_to2``."""
        return Voucher.from_cbor(bytes.fromhex(self.data[f"voucher_{when}"]))

    @cached_property
    def suite(self) -> KexSuite:
        return KexSuite(self.data["params"]["kex_suite"])

    def session(self, name: str) -> bytes:
        return bytes.fromhex(self.data["session"][name])

    def kex_key(self, side: str) -> Callable[[Any], ec.EllipticCurvePrivateKey]:
        """Return a source of the ephemeral key of ``owner`` or ``device``."""
        scalar = int.from_bytes(self.session(f"{side}_private"), "big")
        key = ec.derive_private_key(scalar, CURVES[self.suite].curve)
        return lambda _curve: key

    def device(self, name: str) -> bytes:
        return bytes.fromhex(self.data["device"][name])


class Drawn:
    """A source of randomness that gives what was recorded, in order.

    IVs are drawn anew: the records are compared by plaintext.
    """

    def __init__(self, *values: bytes) -> None:
        self._values = list(values)

    def __call__(self, size: int) -> bytes:
        if size == IV_SIZE:
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
