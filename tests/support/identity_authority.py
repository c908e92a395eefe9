"""A device's maker: it certifies IAK and IDevID, and leaves them in NV. TEST KEYS."""

from typing import TYPE_CHECKING

from hw.public_area import PublicArea
from hw.tpm_identity import IAK, IDEVID, derive
from hw.tss import Link
from tests.support.ek_authority import NO_CA, SIGNING, Issuer, der

if TYPE_CHECKING:
    from hw.tpm import Tpm

LEAF = ((NO_CA, True), (SIGNING, True))
H1 = {"IAK": "rsa2048:rsapss-sha256:null", "IDevID": "rsa2048:null:null"}
H2 = dict.fromkeys(("IAK", "IDevID"), "ecc256:ecdsa-sha256:null")
H3 = dict.fromkeys(("IAK", "IDevID"), "ecc384:ecdsa-sha384:null")


class DeviceMaker:
    """A root, and an issuer under it whose certificate lies beside the keys'."""

    def __init__(self) -> None:
        self.root = Issuer("test device maker root")
        self.issuer = Issuer("test device maker issuer", self.root)

    def provision(self, tpm: "Tpm", link: Link, templates: dict[str, str]) -> None:
        """Certify the keys of these templates; padding follows, as in real ones."""
        for role in (IAK, IDEVID):
            public = derive(link, role, templates[role.what])
            tpm.nv_write(role.first_index, self.certified(public) + b"\xff" * 16)

    def certified(self, public: bytes, days: tuple[int, int] = (-30, 3650)) -> bytes:
        """Issuer's certificate, then the key's: DER one after the other."""
        key = PublicArea.from_bytes(public).key
        leaf = self.issuer.issue("test device", key, LEAF, days)
        return der(self.issuer.certificate) + der(leaf)
