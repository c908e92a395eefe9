"""Board profiles: what kind of machine a device is, as its manufacturer declared it."""

from dataclasses import dataclass
from typing import Literal

from hw.errors import HwError
from hw.evidence import AkAlg


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """How a kind of board is attested.

    ``pcrs`` are those that its boot chain fills and a policy should pin: never 10 (the
    IMA list, judged by its entries) nor 16 and 23 (left to whoever likes).
    """

    name: str
    kind: Literal["sbc", "server"]
    ak_alg: AkAlg
    channel: Literal["evidence", "push"]  # how its evidence reaches Keylime
    pcrs: tuple[int, ...]
    uefi_log: bool  # the firmware keeps a TCG event log that the kernel hands out
    description: str


_PROFILES = {
    profile.name: profile
    for profile in (
        BoardProfile(
            name="generic-sbc-tpm",
            kind="sbc",
            ak_alg="ecc",
            channel="evidence",
            pcrs=(0, 1, 8, 9),
            uefi_log=False,
            description="Single-board computer, U-Boot measured boot, discrete TPM 2.0",
        ),
        BoardProfile(
            name="generic-server-tpm",
            kind="server",
            ak_alg="rsa",
            channel="push",
            pcrs=(0, 2, 4, 7, 8, 9, 14),
            uefi_log=False,
            description="Server with TPM 2.0, judged by its PCR values alone",
        ),
        BoardProfile(
            name="uefi-server-tpm",
            kind="server",
            ak_alg="rsa",
            channel="push",
            pcrs=(0, 2, 4, 7, 8, 9, 14),
            uefi_log=True,
            description="Server with TPM 2.0 and a UEFI event log beside its PCRs",
        ),
    )
}


def profile(name: str) -> BoardProfile:
    """The profile of that name; raises HwError, naming those there are."""
    if name not in _PROFILES:
        known = ", ".join(_PROFILES)
        raise HwError(f"no board profile {name!r}; there are: {known}")
    return _PROFILES[name]


def profiles() -> tuple[BoardProfile, ...]:
    """All profiles, in the order they are documented."""
    return tuple(_PROFILES.values())
