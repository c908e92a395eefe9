"""The registrar's proof that an attestation key and an endorsement key share a TPM.

Source: Keylime 7.14.3, ``keylime/tpm/tpm_util.py`` (file layout of tpm2-tools) and
``keylime/models/registrar/registrar_agent.py`` (what the tag is taken over).
"""

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Self

from attestation.keylime.errors import KeylimeError

MAGIC = 0xBADCC0DE
VERSION = 1
MAX_PART_BYTES = 1024


@dataclass(frozen=True, slots=True)
class CredentialBlob:
    """The two arguments of TPM2_ActivateCredential, with their size prefixes.

    ``id_object`` is a TPM2B_ID_OBJECT, ``encrypted_secret`` a TPM2B_ENCRYPTED_SECRET.
    """

    id_object: bytes
    encrypted_secret: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Split a credential file. Raises KeylimeError if it is not exactly one."""
        if data[:8] != struct.pack(">II", MAGIC, VERSION):
            raise KeylimeError("credential blob: unknown magic or version")
        id_object, rest = _sized(data[8:])
        encrypted_secret, rest = _sized(rest)
        if rest:
            raise KeylimeError(f"credential blob: {len(rest)} octets too many")
        return cls(id_object, encrypted_secret)


def auth_tag(secret: bytes, agent_id: str) -> str:
    """Return what shows the registrar that ``secret`` was unwrapped: 96 hex digits.

    Keylime's key is the base64 text of the secret, not the secret.
    """
    key = base64.b64encode(secret)
    return hmac.new(key, agent_id.encode(), hashlib.sha384).hexdigest()


def _sized(data: bytes) -> tuple[bytes, bytes]:
    """Split off one TPM2B structure, its two octets of size included."""
    if len(data) < 2:
        raise KeylimeError("credential blob: ends early")
    end = 2 + int.from_bytes(data[:2])
    if not 2 < end <= min(len(data), MAX_PART_BYTES):
        raise KeylimeError("credential blob: a part's size does not fit")
    return data[:end], data[end:]
