"""Profiles of certification: which keys, encoding and suites a run has."""

from collections.abc import Mapping
from dataclasses import dataclass

from onboarding.protocol.ciphers import CipherSuite
from onboarding.wire.message import KexSuite
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.key_algorithm import KeyAlgorithm
from ownership_vouchers.keys import KeyEncoding, KeyType
from tests.support.supply_chain import SupplyChain


@dataclass(frozen=True, slots=True)
class Profile:
    """``kind`` is of every key: the device's, its maker's and all owners'."""

    kind: str
    encoding: KeyEncoding
    key_type: KeyType
    kex: KexSuite
    cipher: CipherSuite

    @property
    def algorithm(self) -> KeyAlgorithm:
        return KeyAlgorithm(self.kind)

    @property
    def name(self) -> str:
        return f"{self.kind} {self.encoding.name}"

    def supply_chain(self) -> SupplyChain:
        return SupplyChain(self.kind, self.encoding)


P256 = Profile(
    "P-256", KeyEncoding.X509, KeyType.SECP256R1, KexSuite.ECDH256, Aead.A128GCM
)
P384 = Profile(
    "P-384", KeyEncoding.COSEKEY, KeyType.SECP384R1, KexSuite.ECDH384, Aead.A192GCM
)
RSA = Profile(
    "RSA-2048",
    KeyEncoding.X5CHAIN,
    KeyType.RSA2048RESTR,
    KexSuite.ASYMKEX2048,
    Aead.A256GCM,
)
RSA3072 = Profile(
    "RSA-3072",
    KeyEncoding.X509,
    KeyType.RSAPKCS,
    KexSuite.DHKEXID15,
    Aead.A256GCM,
)
PSS2048 = Profile(
    "RSA-2048-PSS",
    KeyEncoding.X5CHAIN,
    KeyType.RSAPSS,
    KexSuite.DHKEXID14,
    Aead.A128GCM,
)
PSS3072 = Profile(
    "RSA-3072-PSS",
    KeyEncoding.X509,
    KeyType.RSAPSS,
    KexSuite.ASYMKEX3072,
    Aead.A192GCM,
)
# With key exchanges whose every part can be fixed, for vectors.
RSA_DH = Profile(
    "RSA-2048",
    KeyEncoding.X509,
    KeyType.RSA2048RESTR,
    KexSuite.DHKEXID14,
    Aead.A128GCM,
)
PSS3072_DH = Profile(
    "RSA-3072-PSS",
    KeyEncoding.X509,
    KeyType.RSAPSS,
    KexSuite.DHKEXID15,
    Aead.A256GCM,
)
OF_KIND: Mapping[str, Profile] = {
    one.kind: one for one in (P256, P384, RSA, RSA3072, PSS2048, PSS3072)
}
PROFILES: Mapping[str, Profile] = {
    one.name: one for one in (P256, P384, RSA, RSA3072, PSS2048)
}
