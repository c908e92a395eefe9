"""The device's TPM: everything an agent asks of the chip, in one object."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from hw import tpm_ek, tpm_keys, tpm_nv, tpm_quote
from hw.evidence import (
    AkAlg,
    Attestation,
    AttestationKey,
    EkAlg,
    EndorsementKey,
    Quote,
)
from hw.keys import HMAC_SHA256
from hw.tpm_keys import TpmHmac, TpmKey
from hw.tss import Link

DEFAULT_TCTI = "device:/dev/tpmrm0"  # the kernel's resource manager
_RANDOM_STEP = 32  # bytes that every TPM gives at once


class Tpm:
    """One TPM 2.0. Methods may be called from any thread; they take turns.

    Every method raises TpmError when the TPM refuses. On a software TPM, which has no
    resource manager, at most two may be open at a time.
    """

    def __init__(self, tcti: str = DEFAULT_TCTI) -> None:
        """Connect to the TPM at ``tcti``; raises TpmUnavailableError."""
        self._link = Link(tcti)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connection; safe to call twice."""
        self._link.close()

    def endorsement_key(self, alg: EkAlg = "rsa2048") -> EndorsementKey:
        """The EK and its certificate; see ``hw.tpm_ek``."""
        return tpm_ek.endorsement_key(self._link, alg)

    def create_device_key(self, curve: str = "P-256") -> TpmKey:
        """A new device key on P-256 or P-384. **Destroys** the one before."""
        return tpm_keys.create_device_key(self._link, curve)

    def device_key(self) -> TpmKey:
        """The device key."""
        return tpm_keys.load_device_key(self._link)

    def create_owner_key(self, curve: str = "P-256") -> TpmKey:
        """A new key for an owner to certify. **Destroys** the one before."""
        return tpm_keys.create_owner_key(self._link, curve)

    def owner_key(self) -> TpmKey:
        """The key that an owner has certified."""
        return tpm_keys.load_owner_key(self._link)

    def create_hmac_key(self, hash_type: int = HMAC_SHA256) -> TpmHmac:
        """A new HMAC key of FDO hash type 5 or 6. **Destroys** the one before."""
        return tpm_keys.create_hmac_key(self._link, hash_type)

    def hmac_key(self) -> TpmHmac:
        """The HMAC key."""
        return tpm_keys.load_hmac_key(self._link)

    def create_attestation_key(self, alg: AkAlg) -> AttestationKey:
        """A new AK. **Destroys** the one before, of the same ``alg``."""
        return tpm_ek.create_attestation_key(self._link, alg)

    def attestation_key(self, alg: AkAlg) -> AttestationKey:
        """The AK of that kind."""
        return tpm_ek.load_attestation_key(self._link, alg)

    def activate_credential(
        self,
        ak: AttestationKey,
        id_object: bytes,
        encrypted_secret: bytes,
        ek_alg: EkAlg = "rsa2048",
    ) -> bytes:
        """The secret made for this TPM's EK and this AK; see ``hw.make_credential``."""
        return tpm_ek.activate_credential(
            self._link, ak, id_object, encrypted_secret, ek_alg
        )

    def certify(
        self, subject: TpmKey | AttestationKey, ak: AttestationKey, qualifying: bytes
    ) -> Attestation:
        """The AK's statement that ``subject`` is in this TPM; nonce of 32 B at most."""
        return tpm_quote.certify(self._link, subject.handle, ak, qualifying)

    def quote(
        self, ak: AttestationKey, qualifying: bytes, bank: str, pcrs: Iterable[int]
    ) -> Quote:
        """The AK's statement on PCRs of one bank (``sha256``), and their values."""
        return tpm_quote.quote(self._link, ak, qualifying, bank, pcrs)

    def read_pcrs(self, bank: str, pcrs: Iterable[int]) -> dict[int, str]:
        """PCR values of one bank in lower-case hex, ascending by number."""
        values = tpm_quote.read_pcrs(self._link, bank, pcrs)
        return {pcr: value.hex() for pcr, value in values.items()}

    def extend(self, pcr: int, data: bytes) -> None:
        """Extend ``pcr`` with the digest of ``data`` (1 KiB at most) in each bank."""
        tpm_quote.extend(self._link, pcr, data)

    def nv_read(self, index: int) -> bytes | None:
        """The content of an NV index, None when there is none."""
        return tpm_nv.nv_read(self._link, index)

    def nv_write(self, index: int, data: bytes) -> None:
        """Write from the start of an NV index; see ``hw.tpm_nv``."""
        tpm_nv.nv_write(self._link, index, data)

    def random(self, size: int) -> bytes:
        """Random bytes from the TPM."""
        with self._link.use("get random") as esys:
            made = b""
            while len(made) < size:
                made += bytes(esys.get_random(min(_RANDOM_STEP, size - len(made))))
            return made
