"""The groups of finite-field Diffie-Hellman, by `cryptography`'s own means.

The one place that names them. They are to be removed there some day, and each name
warns of it when it is looked up: that warning, and no other, is silenced, once, here.
docs/adr/0019 says what takes their place. Source: RFC 3526, sections 3 and 4.
"""

import warnings

from cryptography.utils import CryptographyDeprecationWarning

from onboarding.wire.message import KexSuite

with warnings.catch_warnings():
    warnings.filterwarnings(
        "ignore",
        "Diffie-Hellman over finite fields",
        CryptographyDeprecationWarning,
    )
    from cryptography.hazmat.primitives.asymmetric.dh import (
        DHParameterNumbers,
        DHPrivateNumbers,
        DHPublicNumbers,
    )
    from cryptography.hazmat.primitives.asymmetric.dh import (
        DHParameters as DhParameters,
    )
    from cryptography.hazmat.primitives.asymmetric.dh import DHPrivateKey as DhKey
    from cryptography.hazmat.primitives.asymmetric.dh import (
        DHPublicKey as DhPublicKey,
    )

__all__ = ["GROUPS", "DhKey", "DhParameters", "DhPublicKey", "Group", "new_dh_key"]

_GENERATOR = 2


class Group:
    """One group: its prime, and keys in it."""

    def __init__(self, prime: int) -> None:
        self._numbers = DHParameterNumbers(prime, _GENERATOR)
        self.parameters: DhParameters = self._numbers.parameters()
        self.prime = prime
        self.size = prime.bit_length() // 8  # bytes

    def public_key(self, value: int) -> DhPublicKey:
        """Return the public key of that value; the caller has checked its range."""
        return DHPublicNumbers(value, self._numbers).public_key()

    def private_key(self, exponent: int, value: int) -> DhKey:
        """Return the key of that exponent, whose public value is known."""
        public = DHPublicNumbers(value, self._numbers)
        return DHPrivateNumbers(exponent, public).private_key()


def new_dh_key(parameters: DhParameters) -> DhKey:
    """Draw a private key, of the length that goes with the group."""
    return parameters.generate_private_key()


# 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + k), in hexadecimal digits: both
# begin with the same digits of pi.
_PI = """
    FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1 29024E08 8A67CC74
    020BBEA6 3B139B22 514A0879 8E3404DD EF9519B3 CD3A431B 302B0A6D F25F1437
    4FE1356D 6D51C245 E485B576 625E7EC6 F44C42E9 A637ED6B 0BFF5CB6 F406B7ED
    EE386BFB 5A899FA5 AE9F2411 7C4B1FE6 49286651 ECE45B3D C2007CB8 A163BF05
    98DA4836 1C55D39A 69163FA8 FD24CF5F 83655D23 DCA3AD96 1C62F356 208552BB
    9ED52907 7096966D 670C354E 4ABC9804 F1746C08 CA18217C 32905E46 2E36CE3B
    E39E772C 180E8603 9B2783A2 EC07A28F B5C55DF0 6F4C52C9 DE2BCBF6 95581718
    3995497C EA956AE5 15D22618 98FA0510 15728E5A
"""
_END_14 = "8AACAA68 FFFFFFFF FFFFFFFF"
_END_15 = """
    8AAAC42D AD33170D 04507A33 A85521AB DF1CBA64 ECFB8504 58DBEF0A 8AEA7157
    5D060C7D B3970F85 A6E1E4C7 ABF5AE8C DB0933D7 1E8C94E0 4A25619D CEE3D226
    1AD2EE6B F12FFA06 D98A0864 D8760273 3EC86A64 521F2B18 177B200C BBE11757
    7A615D6C 770988C0 BAD946E2 08E24FA0 74E5AB31 43DB5BFC E0FD108E 4B82D120
    A93AD2CA FFFFFFFF FFFFFFFF
"""


def _prime(digits: str) -> int:
    return int("".join(digits.split()), 16)


GROUPS = {
    KexSuite.DHKEXID14: Group(_prime(_PI + _END_14)),
    KexSuite.DHKEXID15: Group(_prime(_PI + _END_15)),
}
