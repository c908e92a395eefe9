"""Which key exchange and cipher a device offers to an owner.

The owner's kind of key decides which exchanges there can be, and the device has to
choose before it has seen that key. Source: FDO 1.1, section 3.6.
"""

from dataclasses import dataclass

from onboarding.device.credential import Owner
from onboarding.protocol.ciphers import CipherSuite
from onboarding.protocol.kex import suites_of
from onboarding.wire.message import KexSuite
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.mac0 import MacSuite

_BY_OWNER = {
    KeyAlgorithm.P256: KexSuite.ECDH256,
    KeyAlgorithm.P384: KexSuite.ECDH384,
    KeyAlgorithm.RSA2048: KexSuite.DHKEXID14,
    KeyAlgorithm.RSA2048_PSS: KexSuite.DHKEXID14,
    KeyAlgorithm.RSA3072: KexSuite.DHKEXID15,
    KeyAlgorithm.RSA3072_PSS: KexSuite.DHKEXID15,
}
CIPHERS: dict[str, CipherSuite] = {
    one.name.replace("_", "-"): one for one in (*Aead, *MacSuite)
}
"""Every cipher by the name that people choose it by."""


@dataclass(frozen=True, slots=True)
class Suites:
    """What the device was told to offer; None leaves it to the owner's kind of key."""

    kex: KexSuite | None = None
    cipher: CipherSuite | None = None

    def kex_for(self, first_owner: KeyAlgorithm, owner: Owner | None) -> KexSuite:
        """Return the key exchange to offer.

        Args:
            first_owner: The kind of key that the first owner has.
            owner: Who gave the device its credential, if it has had an owner: who owns
                it next has a key of the same kind.
        """
        if self.kex is not None:
            return self.kex
        if owner is not None:
            return suites_of(owner.key)[0]
        return _BY_OWNER[first_owner]


AS_THE_OWNER = Suites()
