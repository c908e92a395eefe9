"""The cipher suites of TO2 and who speaks which. Source: FDO 1.1, section 4.4."""

from onboarding.protocol.errors import Unsupported
from onboarding.wire.message import KexSuite
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.mac0 import MacSuite

CipherSuite = Aead | MacSuite

AEADS: frozenset[CipherSuite] = frozenset(Aead)
"""What an owner serves unless it is told more, and all a device offers by itself."""

EVERY: frozenset[CipherSuite] = AEADS | frozenset(MacSuite)
"""With the encrypt-then-MAC suites, whose form FDO's implementers do not agree on."""

_BY_NUMBER: dict[int, CipherSuite] = {int(one): one for one in EVERY}
_STRONG = (KexSuite.ECDH384, KexSuite.DHKEXID15, KexSuite.ASYMKEX3072)


def cipher_for(number: int, served: frozenset[CipherSuite] = AEADS) -> CipherSuite:
    """Return the suite of that number, if it is one of ``served``.

    Raises:
        Unsupported: It is not.
    """
    suite = _BY_NUMBER.get(number)
    if suite is None:
        raise Unsupported(f"cipher suite {number} is not known here")
    if suite not in served:
        raise Unsupported(f"cipher suite {suite.name} is not served here")
    return suite


def known_cipher(number: object) -> CipherSuite:
    """Return the suite that a state of ours names. Raises MalformedError."""
    if not isinstance(number, int) or number not in _BY_NUMBER:
        raise MalformedError("unknown cipher suite")
    return _BY_NUMBER[number]


def prf_of(cipher: CipherSuite) -> str:
    """Return the hash under the key derivation, by its `hashlib` name.

    It is SHA-256 for AES-256 in GCM and CCM, too.
    """
    return cipher.mac_type.digest_name if isinstance(cipher, MacSuite) else "sha256"


def default_cipher(suite: KexSuite) -> Aead:
    """Return the suite that is as strong as the key exchange."""
    return Aead.A256GCM if suite in _STRONG else Aead.A128GCM
