"""Whom a service takes vouchers from: manufacturers and device CAs.

One value that operators set at run time. A rendezvous server without it takes
nothing; an owner without it takes what its authenticated operators import.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.services.errors import Problem
from onboarding.store.errors import NotFound
from onboarding.store.settings_rows import SettingStore
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import UNREADABLE, PublicKey, load_certificate

TRUST = "trust"
MAX_CERTIFICATES = 64


@dataclass(frozen=True, slots=True)
class Trust:
    """Fingerprints of manufacturer keys, and roots of device chains.

    Where both are set, a voucher has to satisfy both. ``identity_cas`` certify IAK and
    IDevID, by which makers name devices; no voucher is held to them.
    """

    manufacturers: frozenset[str] = frozenset()
    device_cas_pem: str = ""
    device_cas: tuple[x509.Certificate, ...] = ()
    identity_cas_pem: str = ""
    identity_cas: tuple[x509.Certificate, ...] = ()

    @classmethod
    def build(
        cls,
        manufacturers: frozenset[str],
        device_cas_pem: str,
        identity_cas_pem: str = "",
    ) -> Self:
        """Read the certificates.

        Raises:
            Problem: 422; not PEM certificates, or too many.
        """
        return cls(
            manufacturers,
            device_cas_pem,
            read_certificates(device_cas_pem),
            identity_cas_pem,
            read_certificates(identity_cas_pem),
        )

    @property
    def is_empty(self) -> bool:
        return not self.manufacturers and not self.device_cas

    @property
    def roots(self) -> tuple[x509.Certificate, ...] | None:
        """Roots as ``verify`` takes them: None leaves the check out."""
        return self.device_cas or None

    def admits(self, manufacturer: PublicKey) -> bool:
        """Whether a manufacturer is on the list, or there is no list."""
        known = self.manufacturers
        return not known or manufacturer.fingerprint() in known

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what ``encode`` wrote."""
        stored: Mapping[str, object] = json.loads(data)
        names = stored["manufacturers"]
        assert isinstance(names, list)  # noqa: S101 - we wrote it
        makers = str(stored.get("identity_cas_pem", ""))  # older ones have none
        devices = str(stored["device_cas_pem"])
        return cls.build(frozenset(map(str, names)), devices, makers)

    def encode(self) -> bytes:
        return json.dumps(self.to_json()).encode()

    def to_json(self) -> dict[str, object]:
        return {
            "manufacturers": sorted(self.manufacturers),
            "device_cas_pem": self.device_cas_pem,
            "identity_cas_pem": self.identity_cas_pem,
        }


def load_trust(settings: SettingStore) -> Trust:
    """Return what was set last; nothing set trusts nobody."""
    try:
        return Trust.decode(settings.get(TRUST).value)
    except NotFound:
        return Trust()


@lru_cache(maxsize=8)
def read_certificates(pem: str) -> tuple[x509.Certificate, ...]:
    """Read PEM certificates; none from an empty text.

    Raises:
        Problem: 422; not PEM certificates, or too many.
    """
    if not pem.strip():
        return ()
    try:
        found = tuple(x509.load_pem_x509_certificates(pem.encode()))
        for one in found:
            load_certificate(one.public_bytes(Encoding.DER))  # reads every part
    except (*UNREADABLE, MalformedError) as error:
        raise Problem(
            422, "not-certificates", "The text is not PEM certificates."
        ) from error
    if len(found) > MAX_CERTIFICATES:
        raise Problem(422, "limits", f"At most {MAX_CERTIFICATES} certificates.")
    return found
