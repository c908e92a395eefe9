"""The credential where other programs look for it: DCTPM and DCActive in the TPM.

What counts for us is ``hw.credential``, which changes all or nothing. This is a copy,
made after each change and made good at the next start if that was cut short.
Source: FDO Alliance, "Securing FDO Credentials in the TPM", sections 4.1 and 4.2.
"""

from typing import TYPE_CHECKING

from hw.errors import NvFixedError
from hw.nv_profile import NvProfile
from onboarding.protocol.device_env import DeviceCredential
from onboarding.wire.message import PROTOCOL_VERSION
from ownership_vouchers import cbor

if TYPE_CHECKING:
    from hw.tpm import Tpm

DC_ACTIVE, DC_TPM = 0x01D10000, 0x01D10001
ACTIVE, INACTIVE = b"\x01", b"\x00"
DEVICE_KEY_FDO = 0  # DeviceKeyType: made for FDO, neither IDevID nor LDevID
DEVICE_KEY_HANDLE = 0x81020002


def dctpm(credential: DeviceCredential) -> bytes:
    """``DCTPM``: seven items, the rendezvous information as it was received."""
    return cbor.join(
        [
            cbor.encode(PROTOCOL_VERSION),
            cbor.encode(credential.device_info),
            cbor.encode(credential.guid.raw),
            credential.rv_info,
            cbor.encode(credential.manufacturer_hash.to_item()),
            cbor.encode(DEVICE_KEY_FDO),
            cbor.encode(DEVICE_KEY_HANDLE),
        ]
    )


def write_standard(tpm: "Tpm", credential: DeviceCredential) -> None:
    """Make the copy, where it is not there yet; raises TpmError.

    Where it has no room, and none can be made any more, what is there is of another
    credential: then the flag says that it is not active.
    """
    flag = ACTIVE if _copied(tpm, dctpm(credential)) else INACTIVE
    if tpm.nv_read(DC_ACTIVE) != flag:
        tpm.nv_write(DC_ACTIVE, flag, NvProfile.OPEN, exact=True)


def _copied(tpm: "Tpm", wanted: bytes) -> bool:
    """Whether the copy is there at last, with zeros behind it if it has to be."""
    found = tpm.nv_read(DC_TPM) or b""
    if found.rstrip(b"\0") == wanted:
        return True
    try:
        tpm.nv_write(DC_TPM, wanted, NvProfile.OWN, exact=True)
    except NvFixedError:
        if len(found) < len(wanted):
            return False
        tpm.nv_write(DC_TPM, wanted.ljust(len(found), b"\0"), NvProfile.OWN)
    return True
