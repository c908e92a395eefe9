"""A measured boot for software TPMs, which come up with nothing measured.

On a real board the firmware and boot loader do this before any of our code runs. Here
each component is a name and a release instead of an image; the PCRs still chain and
pin exactly as they would.
"""

from typing import Literal, Protocol

from hw.algorithms import HashAlg
from hw.profiles import BoardProfile

RELEASE = "1.0"
_SEPARATOR = bytes(4)  # EV_SEPARATOR: what firmware measures when it hands over

Event = tuple[int, bytes]  # PCR number, what is measured into it

# PCR and component, in boot order. Use of PCRs: U-Boot's measured boot, and the TCG PC
# Client Platform Firmware Profile, section 3.3.4.
_COMPONENTS: dict[Literal["sbc", "server"], tuple[tuple[int, str], ...]] = {
    "sbc": (
        (0, "boot-rom"),
        (0, "u-boot-spl"),
        (0, "u-boot"),
        (1, "device-tree"),
        (1, "boot-arguments"),
        (8, "kernel"),
        (9, "initrd"),
    ),
    "server": (
        (0, "crtm-version"),
        (0, "firmware-volume"),
        (2, "option-roms"),
        (7, "secure-boot-policy"),
        (4, "shim"),
        (14, "machine-owner-keys"),
        (4, "grub"),
        (8, "grub-commands"),
        (9, "kernel"),
        (9, "initrd"),
    ),
}


class Extender(Protocol):
    """What is asked of a TPM; ``hw.tpm.Tpm`` has it."""

    def extend(self, pcr: int, data: bytes) -> None:
        """Extend a PCR in each bank with the digest of ``data``."""


def boot_events(profile: BoardProfile, release: str = RELEASE) -> list[Event]:
    """What a boot of this board measures: PCR and event, in order."""
    events = [
        (pcr, f"{component} {release}".encode())
        for pcr, component in _COMPONENTS[profile.kind]
        if pcr in profile.pcrs
    ]
    separators = [(pcr, _SEPARATOR) for pcr in profile.pcrs if pcr < 8]
    return events + separators


def measure_boot(tpm: Extender, profile: BoardProfile, release: str = RELEASE) -> None:
    """Boot: extend the PCRs that the profile pins. Once per start of the TPM."""
    for pcr, event in boot_events(profile, release):
        tpm.extend(pcr, event)


def golden_pcrs(
    profile: BoardProfile, bank: str = "sha256", release: str = RELEASE
) -> dict[int, str]:
    """The values, in hex, that a good boot gives the pinned PCRs.

    Computed from the release, not read from any device: a policy made from these trusts
    no device's word.
    """
    hashing = HashAlg.of_bank(bank)
    values = {pcr: bytes(hashing.size) for pcr in profile.pcrs}
    for pcr, event in boot_events(profile, release):
        values[pcr] = hashing.digest(values[pcr], hashing.digest(event))
    return {pcr: value.hex() for pcr, value in values.items()}
