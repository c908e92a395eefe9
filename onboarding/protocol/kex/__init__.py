"""The key exchanges of TO2: one table of suites, one module for each family.

Source: FDO 1.1, section 3.6. The owner's key decides which suites there are to choose
from; the device chooses, in message 60.
"""

from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.ciphers import CipherSuite, prf_of
from onboarding.protocol.errors import Unsupported
from onboarding.protocol.kdf import derive
from onboarding.protocol.kex.asymkex import RANDOM, AsymkexHalf, answer_asymkex
from onboarding.protocol.kex.ecdh import CURVES, EcdhHalf
from onboarding.protocol.kex.ffdh import FfdhHalf
from onboarding.protocol.kex.group import GROUPS
from onboarding.protocol.kex.shared import Draw, NewDhKey, NewKexKey, Shared
from onboarding.wire.message import KexSuite
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import MalformedError

__all__ = [
    "Draw",
    "NewDhKey",
    "NewKexKey",
    "OwnerHalf",
    "Shared",
    "answer",
    "half_from_item",
    "new_half",
    "session_key",
    "suite_for",
    "suites_of",
]

OwnerHalf = EcdhHalf | FfdhHalf | AsymkexHalf
"""The owner's half of an exchange, between messages 61 and 64."""


def suites_of(owner_key: VerifyKey) -> tuple[KexSuite, ...]:
    """Return the suites that go with an owner's key, the one to prefer first."""
    match owner_key:
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return (KexSuite.ECDH256,)
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return (KexSuite.ECDH384,)
    match owner_key.key_size:
        case 2048:
            return (KexSuite.DHKEXID14, KexSuite.ASYMKEX2048)
        case 3072:
            return (KexSuite.DHKEXID15, KexSuite.ASYMKEX3072)
    return ()


def suite_for(name: str, owner_key: VerifyKey, *, decrypts: bool = True) -> KexSuite:
    """Return the suite ``name`` stands for, if the owner's key goes with it.

    Args:
        decrypts: Whether the private key can be had to decrypt, and not only to sign.

    Raises:
        Unsupported: Another suite, or one of a key of another kind.
    """
    fitting = [one for one in suites_of(owner_key) if decrypts or one not in RANDOM]
    for suite in fitting:
        if suite == name:
            return suite
    known = " or ".join(fitting) or "none"
    raise Unsupported(f"key exchange {name!r} with this owner's key: it takes {known}")


def new_half(suite: KexSuite, draw: Draw) -> OwnerHalf:
    """Begin an exchange as the owner."""
    if suite in CURVES:
        return EcdhHalf.new(suite, draw)
    if suite in GROUPS:
        return FfdhHalf.new(suite, draw)
    return AsymkexHalf.new(suite, draw)


def answer(
    suite: KexSuite, owner: bytes, owner_key: VerifyKey, draw: Draw
) -> tuple[bytes, Shared]:
    """End an exchange as the device: return xB, and what both sides come to.

    Args:
        owner: xA, as it came.

    Raises:
        MalformedError, MessageRefused: xA is none of this suite.
        Unsupported: The owner's key is none of this suite.
    """
    suite_for(suite, owner_key)
    if suite in RANDOM:
        return answer_asymkex(suite, owner, owner_key, draw)
    if suite in GROUPS:
        half = FfdhHalf.new(suite, draw)
        return half.sent, half.shared(owner)
    ours = EcdhHalf.new(suite, draw)
    return ours.sent, ours.device_shared(owner)


def half_from_item(item: object) -> OwnerHalf:
    """Read back what a half's ``to_item`` wrote. Raises MalformedError."""
    name, *fields = cbor.array(item, 2, 3)
    if name not in tuple(KexSuite):
        raise MalformedError("unknown key exchange suite")
    suite = KexSuite(cbor.tstr(name))
    if suite in CURVES:
        return EcdhHalf.from_fields(suite, fields)
    if suite in GROUPS:
        return FfdhHalf.from_fields(suite, fields)
    return AsymkexHalf.from_fields(suite, fields)


def session_key(cipher: CipherSuite, shared: Shared) -> bytes:
    """Return the key of the tunnel: SEVK, or SEK and SVK one after the other."""
    bits = 8 * cipher.key_size
    return derive(shared.secret, shared.context, bits, prf_of(cipher))
