"""PCR values beside a quote, in the layout tpm2-tools writes and Keylime reads.

Little endian, padded as the C structures are: one TPML_PCR_SELECTION of 16 entries, of
which one is used, then a list of TPML_DIGEST, each holding up to eight values.
Source: tpm2-tools 5.4, ``tpm2_quote --pcr``, format "values".
"""

import struct
from collections.abc import Mapping

from hw.algorithms import HashAlg
from hw.errors import StructureError
from hw.structures import pcrs_of

_ENTRIES = 16
_PER_LIST = 8
_SLOT = 64  # bytes kept for each digest, whatever its size
_LIST = 4 + _PER_LIST * (2 + _SLOT)
_HEAD = 4 + _ENTRIES * 8 + 4
MAX_BLOB = _HEAD + 3 * _LIST  # 24 PCRs


def build_pcr_blob(bank: HashAlg, values: Mapping[int, bytes]) -> bytes:
    """The blob for these PCRs of one bank, ascending by number."""
    mask = sum(1 << pcr for pcr in values)
    entry = struct.pack("<HB3s2x", bank, 3, mask.to_bytes(3, "little"))
    digests = [values[pcr] for pcr in sorted(values)]
    lists = [digests[i : i + _PER_LIST] for i in range(0, len(digests), _PER_LIST)]
    head = struct.pack("<I", 1) + entry.ljust(8 * _ENTRIES, b"\0")
    return head + struct.pack("<I", len(lists)) + b"".join(map(_digest_list, lists))


def _digest_list(digests: list[bytes]) -> bytes:
    slots = b"".join(struct.pack(f"<H{_SLOT}s", len(d), d) for d in digests)
    return (struct.pack("<I", len(digests)) + slots).ljust(_LIST, b"\0")


def parse_pcr_blob(data: bytes) -> tuple[HashAlg, dict[int, bytes]]:
    """The bank and its values, ascending by PCR number.

    Whatever is not used must be zero, so that no other reader finds more in it:
    Keylime, for one, reads all 16 entries and lets a later one win.

    Raises:
        StructureError: More than one bank, a wrong count or size, padding that says
            something, or bytes left over.
    """
    if not _HEAD <= len(data) <= MAX_BLOB:
        raise StructureError(f"PCR blob of {len(data)} bytes")
    banks, number, size, mask = struct.unpack_from("<IHB3s", data)
    (lists,) = struct.unpack_from("<I", data, _HEAD - 4)
    if banks != 1 or size != 3:
        raise StructureError("PCR blob does not select exactly one bank")
    try:
        bank = HashAlg(number)
    except ValueError as error:
        raise StructureError(f"PCR bank {number:#06x} is not accepted") from error
    pcrs = pcrs_of(int.from_bytes(mask, "little"))
    if lists != -(-len(pcrs) // _PER_LIST) or len(data) != _HEAD + lists * _LIST:
        raise StructureError("PCR blob is not as long as its selection says")
    values = dict(zip(pcrs, _digests(data, len(pcrs), bank), strict=True))
    if build_pcr_blob(bank, values) != data:
        raise StructureError("PCR blob has padding that is not zero")
    return bank, values


def _digests(data: bytes, count: int, bank: HashAlg) -> list[bytes]:
    digests = []
    for start in range(0, count, _PER_LIST):
        at = _HEAD + start // _PER_LIST * _LIST
        (here,) = struct.unpack_from("<I", data, at)
        if here != min(_PER_LIST, count - start):
            raise StructureError(f"PCR blob list of {here} values")
        for slot in range(here):
            size, value = struct.unpack_from(
                f"<H{_SLOT}s", data, at + 4 + slot * (2 + _SLOT)
            )
            if size != bank.size:
                raise StructureError(f"PCR value of {size} bytes in a {bank.bank} bank")
            digests.append(value[:size])
    return digests
