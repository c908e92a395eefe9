"""What every family of key exchange takes, and what each ends with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.kex.group import DhKey, DhParameters, new_dh_key

NewKexKey = Callable[[ec.EllipticCurve], ec.EllipticCurvePrivateKey]
"""A fresh private key on the curve: `ec.generate_private_key`, but in tests."""

NewDhKey = Callable[[DhParameters], DhKey]
"""A fresh private key in the group: `new_dh_key`, but in tests."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Where one exchange's randomness comes from; ``random`` takes a size in bytes."""

    random: Callable[[int], bytes] = field(repr=False)
    new_ec_key: NewKexKey = field(default=ec.generate_private_key, repr=False)
    new_dh_key: NewDhKey = field(default=new_dh_key, repr=False)


@dataclass(frozen=True, slots=True)
class Shared:
    """What both sides have come to: ShSe, and ContextRand of the key derivation."""

    secret: bytes = field(repr=False)
    context: bytes = field(default=b"", repr=False)
