"""The device's TPM: everything an agent asks of the chip, in one object."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from hw import tpm_ek, tpm_held, tpm_identity, tpm_keys, tpm_nv, tpm_quote
from hw.errors import TpmError
from hw.evidence import (
    AkAlg,
    Attestation,
    AttestationKey,
    DeviceIdentity,
    EkAlg,
    EndorsementKey,
    Quote,
)
from hw.inventory import TpmMaker
from hw.key_ref import KeyRef, Kind
from hw.keys import HMAC_SHA256, HMAC_SHA384
from hw.nv_profile import NvProfile
from hw.sysfiles import DEFAULT_TCTI
from hw.tpm_held import TpmHmac, TpmKey
from hw.tpm_maker import tpm_maker
from hw.tss import Link

_RANDOM_STEP = 32  # bytes that every TPM gives at once
_SIGNING: dict[str, Kind] = {
    "P-256": "ecc256:ecdsa-sha256:null",
    "P-384": "ecc384:ecdsa-sha384:null",
    "RSA-2048": "rsa2048:rsassa-sha256:null",
}
_MACS: dict[int, Kind] = {HMAC_SHA256: "hmac:sha256", HMAC_SHA384: "hmac:sha384"}


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

    def preferred_ek(self) -> EkAlg:
        """The EK to be known by: the first that the vendor has certified."""
        return tpm_ek.preferred_ek(self._link)

    def stage_device_key(self, kind: str = "P-256") -> TpmKey:
        """A new device key, P-256, P-384 or RSA-2048, beside the one there is."""
        ref = tpm_keys.stage(self._link, tpm_keys.DEVICE, _signing(kind))
        return self.device_key(ref)

    def stage_hmac_key(self, hash_type: int = HMAC_SHA256) -> TpmHmac:
        """A new HMAC key of FDO hash type 5 or 6 beside the one there is."""
        if hash_type not in _MACS:
            raise TpmError(f"HMAC type {hash_type} is neither 5 nor 6")
        ref = tpm_keys.stage(self._link, tpm_keys.HMAC, _MACS[hash_type])
        return self.hmac_key(ref)

    def settle(self, device: KeyRef | None, mac: KeyRef | None) -> None:
        """Put these keys in their places. **Destroys** those that were there before."""
        if device is not None:
            tpm_keys.settle(self._link, tpm_keys.DEVICE, device)
        if mac is not None:
            tpm_keys.settle(self._link, tpm_keys.HMAC, mac)

    def create_device_key(self, kind: str = "P-256") -> TpmKey:
        """A new device key in its place. **Destroys** the one before."""
        self.settle(self.stage_device_key(kind).ref, None)
        return self.device_key()

    def device_key(self, ref: KeyRef | None = None) -> TpmKey:
        """The device key of that name, made again if need be; or the one in place."""
        return tpm_held.signing_key(self._link, tpm_keys.DEVICE, ref)

    def create_owner_key(self, kind: str = "P-256") -> TpmKey:
        """A new key for an owner to certify. **Destroys** the one before."""
        ref = tpm_keys.stage(self._link, tpm_keys.OWNER, _signing(kind))
        tpm_keys.settle(self._link, tpm_keys.OWNER, ref)
        return self.owner_key()

    def owner_key(self) -> TpmKey:
        """The key that an owner has certified."""
        return tpm_held.signing_key(self._link, tpm_keys.OWNER, None)

    def create_hmac_key(self, hash_type: int = HMAC_SHA256) -> TpmHmac:
        """A new HMAC key in its place. **Destroys** the one before."""
        self.settle(None, self.stage_hmac_key(hash_type).ref)
        return self.hmac_key()

    def hmac_key(self, ref: KeyRef | None = None) -> TpmHmac:
        """The HMAC key of that name, made again if need be; or the one in place."""
        return tpm_held.hmac_key(self._link, ref)

    def create_attestation_key(self, alg: AkAlg) -> AttestationKey:
        """A new AK. **Destroys** the one before, of the same ``alg``."""
        return tpm_ek.create_attestation_key(self._link, alg)

    def attestation_key(self, alg: AkAlg) -> AttestationKey:
        """The AK of that kind."""
        return tpm_ek.load_attestation_key(self._link, alg)

    def device_identity(self) -> DeviceIdentity | None:
        """IAK and IDevID, where the maker left them; see ``hw.tpm_identity``."""
        return tpm_identity.device_identity(self._link)

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

    def nv_write(
        self,
        index: int,
        data: bytes,
        profile: NvProfile = NvProfile.OWN,
        *,
        exact: bool = False,
    ) -> None:
        """Write from the start of an NV index; see ``hw.tpm_nv``."""
        tpm_nv.nv_write(self._link, index, data, profile, exact=exact)

    def nv_lock(self, index: int) -> None:
        """Let nobody write an NV index until the TPM is reset; see ``hw.tpm_nv``."""
        tpm_nv.nv_lock(self._link, index)

    def maker(self) -> TpmMaker:
        """Who made this TPM, as it says itself."""
        return tpm_maker(self._link)

    def random(self, size: int) -> bytes:
        """Random bytes from the TPM."""
        with self._link.use("get random") as esys:
            made = b""
            while len(made) < size:
                made += bytes(esys.get_random(min(_RANDOM_STEP, size - len(made))))
            return made


def _signing(kind: str) -> Kind:
    if kind not in _SIGNING:
        raise TpmError(f"keys in a TPM are {' or '.join(_SIGNING)}, not {kind}")
    return _SIGNING[kind]
