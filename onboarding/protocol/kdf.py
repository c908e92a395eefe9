"""The key derivation of TO2. Source: FDO 1.1, section 3.6.4; SP 800-108."""

import hmac

_LABEL = b"FIDO-KDF\x00AutomaticOnboardTunnel"


def derive(
    shared_secret: bytes, context: bytes, bits: int, prf: str = "sha256"
) -> bytes:
    """Derive ``bits`` of key material in counter mode.

    Args:
        shared_secret: ShSe of the key exchange.
        context: ContextRand; empty for ECDH.
        bits: A multiple of 8, up to 2048.
        prf: The hash under the HMAC, by its `hashlib` name.
    """
    tail = _LABEL + context + bits.to_bytes(2, "big")
    size = bits // 8
    key = b""
    counter = 1
    while len(key) < size:
        key += hmac.digest(shared_secret, bytes([counter]) + tail, prf)
        counter += 1
    return key[:size]
