"""A device's factory identity in an evidence pack: checked again, and told in words."""

from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes

from attestation.device_identity import BoundIdentity
from attestation.ek_root import told
from attestation.evidence_pack import BoundKeys
from attestation.identity_check import check_kept
from hw.public_area import PublicArea
from ownership_vouchers.types import Guid


def identity_found(binding: BoundKeys, guids: Sequence[Guid]) -> str:
    """Who certified what, and how that was judged when the device was bound.

    The CA is named with its fingerprint: whether it is one of device makers, the reader
    has to know.

    Raises:
        BindingRefused, MalformedError, HwError: It does not hold.
    """
    identity = BoundIdentity.decode(binding.identity)
    ak = PublicArea.from_bytes(binding.ak_public)
    authority = check_kept(identity, ak, guids, binding.bound_at)
    found = f"IAK of {identity.subject} in the TPM of the AK, {identity.klass}"
    # No statement ties the IDevID to the TPM: only its certificate was looked at.
    beside = "" if identity.idevid is None else "; an IDevID by its certificate alone"
    if authority is None:
        return f"{found}: {identity.reason}{beside}"
    name, digest = told(authority.subject), authority.fingerprint(hashes.SHA256())
    return f"{found}, certified under {name}, SHA-256 {digest.hex()}{beside}"
