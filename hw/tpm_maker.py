"""Who made a TPM, as it says itself; the EK certificate says it with a signature.

Source: TPM 2.0 Library, part 2, section 6.13 (TPM_PT); TCG Vendor ID Registry.
"""

from hw.inventory import TpmMaker
from hw.log_text import printable
from hw.tss import TPM2_CAP, Link

_FAMILY, _MANUFACTURER, _VENDOR_STRING = 0x100, 0x105, 0x106
_FIRMWARE_1, _FIRMWARE_2 = 0x10B, 0x10C
_STRINGS = 4  # words of the vendor's string


def tpm_maker(link: Link) -> TpmMaker:
    """Ask the TPM; raises TpmError."""
    with link.use("ask who made the TPM") as esys:
        _, found = esys.get_capability(TPM2_CAP.TPM_PROPERTIES, _FAMILY, 32)
    values = {int(one.property): int(one.value) for one in found.data.tpmProperties}
    words = [values.get(_VENDOR_STRING + number, 0) for number in range(_STRINGS)]
    firmware = values.get(_FIRMWARE_1, 0) << 32 | values.get(_FIRMWARE_2, 0)
    return TpmMaker(
        _text([values.get(_MANUFACTURER, 0)]), _text(words), f"{firmware:016x}"
    )


def _text(words: list[int]) -> str:
    """Four characters a word, padded with NULs or blanks."""
    data = b"".join(word.to_bytes(4, "big") for word in words)
    return printable(data.decode("latin-1").replace("\0", "").strip(), 16)
