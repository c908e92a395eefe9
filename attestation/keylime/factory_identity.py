"""What Keylime's registrar is told of a device's factory identity.

It wants all six together: both keys and certificates, and the IAK's certification of
the AK over the SHA-256 of the agent's id. Source: Keylime 7.14, registrar API 2.6.
"""

import base64
import hashlib
from dataclasses import dataclass, field


def agent_data(agent_id: str) -> bytes:
    """What the IAK certifies the AK over, for the registrar."""
    return hashlib.sha256(agent_id.encode()).digest()


@dataclass(frozen=True, slots=True)
class RegisteredIdentity:
    """Publics are TPM2B_PUBLIC, certificates DER; then TPMS_ATTEST, TPMT_SIGNATURE."""

    iak_public: bytes
    iak_certificate: bytes
    idevid_public: bytes
    idevid_certificate: bytes
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def members(self) -> dict[str, object]:
        """Members of the registration's JSON."""
        sent = {
            "iak_tpm": self.iak_public,
            "iak_cert": self.iak_certificate,
            "idevid_tpm": self.idevid_public,
            "idevid_cert": self.idevid_certificate,
            "iak_attest": self.message,
            "iak_sign": self.signature,
        }
        return {name: base64.b64encode(one).decode() for name, one in sent.items()}
