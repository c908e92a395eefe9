"""The hashes that logs of a boot use: more than we accept from a TPM.

A log is read whole whatever banks it was written for, so SHA-1 and others have a name
and a size here. What may be quoted is ``hw.algorithms.HashAlg``, and SHA-1 is not.
Source: TCG Algorithm Registry 1.34, table 3.
"""

import hashlib

from hw.errors import StructureError

SHA1, SHA256, SHA384, SHA512 = 0x0004, 0x000B, 0x000C, 0x000D
MAX_DIGEST = 64

# TPM_ALG_ID: the bank's name, also hashlib's, and the size of a digest in bytes.
_KNOWN: dict[int, tuple[str, int]] = {
    SHA1: ("sha1", 20),
    SHA256: ("sha256", 32),
    SHA384: ("sha384", 48),
    SHA512: ("sha512", 64),
    0x0027: ("sha3_256", 32),
    0x0028: ("sha3_384", 48),
    0x0029: ("sha3_512", 64),
}
_SIZE_ONLY = {0x0012: ("sm3_256", 32)}  # of known size, but not every OpenSSL has it


def bank_name(alg: int) -> str:
    """The bank of a TPM_ALG_ID, such as ``sha256``; ``alg-0x0099`` for an unknown."""
    return (_KNOWN | _SIZE_ONLY).get(alg, (f"alg-{alg:#06x}", 0))[0]


def alg_of_bank(bank: str) -> int:
    """The TPM_ALG_ID of a bank that can be replayed; raises StructureError."""
    for alg, (name, _) in _KNOWN.items():
        if name == bank:
            return alg
    known = ", ".join(name for name, _ in _KNOWN.values())
    raise StructureError(f"PCR bank {bank!r} cannot be replayed; one of {known} can")


def size_of(alg: int) -> int | None:
    """Bytes in a digest; None when the algorithm is not known to us."""
    return (_KNOWN | _SIZE_ONLY).get(alg, ("", None))[1]


def size_of_bank(bank: str) -> int:
    """Bytes in a digest of a bank that can be replayed; raises StructureError."""
    return _KNOWN[alg_of_bank(bank)][1]


def digest(bank: str, *chunks: bytes) -> bytes:
    """Hash the chunks as one string; raises StructureError for an unknown bank."""
    alg_of_bank(bank)
    # Not for our security: SHA-1 is computed to say what a TPM computed.
    state = hashlib.new(bank, usedforsecurity=False)
    for chunk in chunks:
        state.update(chunk)
    return state.digest()
