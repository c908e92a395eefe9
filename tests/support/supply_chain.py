"""Real vouchers made in memory, in the words of the trade.

``SupplyChain().make_device().sell_to("dealer").sell_to("owner")`` gives a signed
voucher, every key behind it and the device's secret. All keys are TEST KEYS.
"""

import datetime
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ownership_vouchers.algorithms import SigningKey, SoftSigner
from ownership_vouchers.extend import extend
from ownership_vouchers.header import Header
from ownership_vouchers.keys import KeyEncoding, PublicKey
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid, Hash, HashType
from ownership_vouchers.verify import VerifiedVoucher, restore, verify
from ownership_vouchers.voucher import Voucher
from tests.support.rsa_keys import rsa_key

KINDS = ("P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-2048-PSS", "RSA-3072-PSS")
STRONG = {"P-384", "RSA-3072", "RSA-3072-PSS"}
RENDEZVOUS: tuple[Mapping[str, object], ...] = (
    {
        "dns": "rv.example.test",
        "device_port": 8082,
        "owner_port": 8082,
        "protocol": "http",
    },
)
_BORN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_DIES = datetime.datetime(2056, 1, 1, tzinfo=datetime.UTC)


def new_key(kind: str, name: str = "anybody") -> SigningKey:
    """Make a key; an RSA key is the same each time for a ``name``."""
    if kind.startswith("RSA"):
        return rsa_key(int(kind.split("-")[1]), name)
    curve = ec.SECP256R1() if kind == "P-256" else ec.SECP384R1()
    return ec.generate_private_key(curve)


def certificate(
    subject: str,
    key: SigningKey,
    issuer: str,
    issuer_key: SigningKey,
    *,
    ca: bool,
    path_length: int | None = None,
) -> x509.Certificate:
    """Issue a certificate for ``key``; its usage follows from ``ca``."""
    usage = x509.KeyUsage(
        not ca, False, False, False, False, ca, False, False, False
    )  # digital_signature first, key_cert_sign sixth
    digest = hashes.SHA384() if _strong(issuer_key) else hashes.SHA256()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BORN)
        .not_valid_after(_DIES)
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, digest)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _strong(key: SigningKey) -> bool:
    return key.key_size in (384, 3072)


@dataclass(frozen=True, slots=True)
class Party:
    """A company in the chain: manufacturer, dealer or owner."""

    name: str
    private_key: SigningKey = field(repr=False)
    signer: SoftSigner
    public_key: PublicKey
    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def found(cls, name: str, kind: str, encoding: KeyEncoding) -> Self:
        """Give ``name`` a key, and certificates of its own authority."""
        key = new_key(kind, name)
        root_key = new_key(kind, f"{name} root")
        root = certificate(f"{name} root", root_key, f"{name} root", root_key, ca=True)
        leaf = certificate(name, key, f"{name} root", root_key, ca=False)
        chain = (leaf, root)
        pss = kind.endswith("PSS")
        public_key = PublicKey.of(key.public_key(), encoding, chain, pss=pss)
        return cls(name, key, SoftSigner(key, pss=pss), public_key, chain)


class SupplyChain:
    """One device and everybody who ever owned it.

    Args:
        curve: The kind of every key; one of ``KINDS``.
        device: The kind of the device's own key and its authority's, if another.
        encoding: How manufacturer and owners write their keys.
        rendezvous: RendezvousInfo in its JSON form.
    """

    def __init__(
        self,
        curve: str = "P-256",
        encoding: KeyEncoding = KeyEncoding.X509,
        rendezvous: Iterable[Mapping[str, object]] = RENDEZVOUS,
        device: str | None = None,
    ) -> None:
        self.kind = curve
        self.device_kind = device or curve
        self.encoding = encoding
        self.rv_info = RendezvousInfo.build(rendezvous)
        self.hash_type = (
            HashType.SHA384 if {curve, self.device_kind} <= STRONG else HashType.SHA256
        )
        self.manufacturer = Party.found("manufacturer", curve, encoding)
        self.device_ca_key = new_key(self.device_kind, "device ca")
        self.device_root = certificate(
            "device ca", self.device_ca_key, "device ca", self.device_ca_key, ca=True
        )
        self.parties: dict[str, Party] = {"manufacturer": self.manufacturer}
        self.owner = self.manufacturer

    def make_device(
        self, device_info: str = "test-device", guid: Guid | None = None
    ) -> Self:
        """Do what DI does: secret, device key, certificate, empty voucher."""
        self.hmac_secret = secrets.token_bytes(self.hash_type.size)
        self.device_key = new_key(self.device_kind, "device")
        pss = self.device_kind.endswith("PSS")
        self.device_signer = SoftSigner(self.device_key, pss=pss)
        leaf = certificate(
            "device", self.device_key, "device ca", self.device_ca_key, ca=False
        )
        chain = [one.public_bytes(Encoding.DER) for one in (leaf, self.device_root)]
        header = Header.build(
            guid or Guid(secrets.token_bytes(16)),
            self.rv_info,
            device_info,
            self.manufacturer.public_key,
            Hash.of(self.hash_type, *chain),
        )
        hmac = header.mac(self.hash_type.keyed, self.hmac_secret)
        self.voucher = Voucher.build(header, hmac, chain)
        self.owner = self.manufacturer
        return self

    def sell_to(self, name: str) -> Self:
        """Extend the voucher to ``name``, founded if it is new."""
        if name not in self.parties:
            self.parties[name] = Party.found(name, self.kind, self.encoding)
        buyer = self.parties[name]
        made_here = restore(self.voucher)  # so none of it is verified each time
        self.voucher = extend(
            made_here, self.owner.signer, self.owner.public_key, buyer.public_key
        )
        self.owner = buyer
        return self

    @property
    def guid(self) -> Guid:
        return self.voucher.guid

    @property
    def mfg_key_hash(self) -> Hash:
        """What the device keeps of the manufacturer's key."""
        return self.voucher.header.key_hash(self.hash_type)

    @property
    def verified(self) -> VerifiedVoucher:
        """The voucher, checked with everything there is to check with."""
        return verify(
            self.voucher,
            hmac_secret=self.hmac_secret,
            mfg_key_hash=self.mfg_key_hash,
            device_roots=[self.device_root],
        )
