"""What a TPM hands out, as plain bytes: values that any layer may pass on."""

from dataclasses import dataclass, field
from typing import Literal

AkAlg = Literal["ecc", "rsa"]
EkAlg = Literal["rsa2048", "rsa2048-high", "ecc256", "ecc256-high", "ecc384", "rsa3072"]


@dataclass(frozen=True, slots=True)
class EndorsementKey:
    """An EK and its certificate."""

    public: bytes = field(repr=False)  # TPM2B_PUBLIC
    certificate: bytes | None = field(repr=False)  # DER, None when NV has none


@dataclass(frozen=True, slots=True)
class AttestationKey:
    """A restricted signing key, persistent in its TPM."""

    public: bytes = field(repr=False)  # TPM2B_PUBLIC
    name: bytes
    alg: AkAlg
    handle: int


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signed statement."""

    message: bytes = field(repr=False)  # TPMS_ATTEST
    signature: bytes = field(repr=False)  # TPMT_SIGNATURE


@dataclass(frozen=True, slots=True)
class Quote(Attestation):
    """A signed statement about PCRs, and their values beside it."""

    pcr_blob: bytes = field(repr=False)  # layout: hw.pcr_blob


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A key that the device's maker certified."""

    public: bytes = field(repr=False)  # TPM2B_PUBLIC
    certificate: bytes = field(repr=False)  # DER
    chain: tuple[bytes, ...] = field(default=(), repr=False)  # DER, without a root


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """The maker's word on a device: its IAK, to be used, and the two certified keys."""

    key: AttestationKey
    iak: CertifiedKey
    idevid: CertifiedKey | None
