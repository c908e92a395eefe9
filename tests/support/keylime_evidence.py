"""Evidence of the right shape, though of no TPM: for what is decided before Keylime."""

import struct

from attestation.keylime.evidence import Evidence
from hw.algorithms import HashAlg
from hw.pcr_blob import build_pcr_blob

ZERO = bytes(32)
BLOB = build_pcr_blob(HashAlg.SHA256, {7: ZERO, 12: ZERO})


def attest(kind: int = 0x8018, mask: bytes = b"\x80\x10\0", bank: int = 0xB) -> bytes:
    """A TPMS_ATTEST in TPM 2.0 part 2's order; nothing here checks its digest."""
    head = struct.pack(">IH", 0xFF544347, kind) + b"\0\0" + b"\0\x20" + bytes(32)
    clock = bytes(17) + bytes(8)
    selection = struct.pack(">IHB", 1, bank, 3) + mask
    return head + clock + selection + b"\0\x20" + bytes(32)


GOOD = Evidence(
    nonce=bytes(32),
    ak_public=b"ak",
    ek_public=b"ek",
    message=attest(),
    signature=b"signature",
    pcr_blob=BLOB,
    pcrs={7: ("00" * 32,)},
)
