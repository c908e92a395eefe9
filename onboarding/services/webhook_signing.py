"""How a webhook's receiver knows that it was us: Standard Webhooks, HMAC-SHA256.

The identifier is the same each time an event is sent, so that a receiver can tell a
repetition; the time is of this attempt, so that an old request cannot be played again.

Source: Standard Webhooks 1.0.0 (https://www.standardwebhooks.com), symmetric keys.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

SECRET_BYTES = 32
PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """How a receiver is told its secret, once."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(
    secrets: Sequence[bytes], message_id: str, at: int, body: bytes
) -> dict[str, str]:
    """Return what a receiver checks: a signature by each of ``secrets``."""
    signed = f"{message_id}.{at}.".encode() + body
    signatures = (hmac.new(one, signed, hashlib.sha256).digest() for one in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(one).decode()}" for one in signatures
        ),
        "content-type": "application/json",
        "user-agent": "Vouchgate",
    }
