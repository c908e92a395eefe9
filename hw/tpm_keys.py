"""The device key and the HMAC key of FDO, and a key for the owner, inside the TPM.

All are primaries that cannot leave the TPM, each under the policy that whoever uses
the key also commands its *unique string*, an NV index from which the key follows: write
another string and the key is another one. None survives a copy to another TPM.
Source: FDO Alliance, "Securing FDO Credentials in the TPM" (handles, NV indices,
attributes, policy). The owner's key has handle and index beyond those named there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from hw.errors import TpmError
from hw.keys import ES256, HMAC_SHA256, HMAC_SHA384, alg_of
from hw.public_area import PublicArea
from hw.signature import raw_pair
from hw.tpm_nv import nv_write
from hw.tpm_primary import (
    POLICY_ATTRIBUTES,
    UNIQUE_SIZE,
    Kind,
    make_persistent,
    read_public,
    template,
)
from hw.tss import ESYS_TR, TPM2_ALG, TPM2_EO, TPMT_SIG_SCHEME, Buffer, Link

DEVICE_KEY, HMAC_KEY, OWNER_KEY = 0x81020002, 0x81020003, 0x81020010
HMAC_UNIQUE, DEVICE_UNIQUE, OWNER_UNIQUE = 0x01D10003, 0x01D10004, 0x01D10010
_DEVICE_KINDS: dict[str, Kind] = {
    "P-256": "ecc256:ecdsa-sha256:null",
    "P-384": "ecc384:ecdsa-sha384:null",
}
_HMAC_KINDS: dict[int, Kind] = {HMAC_SHA256: "hmac:sha256", HMAC_SHA384: "hmac:sha384"}
_HMAC_TYPES = {TPM2_ALG.SHA256: HMAC_SHA256, TPM2_ALG.SHA384: HMAC_SHA384}


@dataclass(frozen=True, slots=True)
class TpmKey:
    """A DeviceKey in a TPM: the device key, or the one that is made for an owner."""

    area: PublicArea
    handle: int
    _link: Link = field(repr=False)
    unique_index: int = DEVICE_UNIQUE

    @property
    def public_area(self) -> bytes:
        """TPM2B_PUBLIC."""
        return self.area.raw

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See hw.keys.DeviceKey."""
        if not isinstance(self.area.key, ec.EllipticCurvePublicKey):
            raise TpmError("the device key is not an ECC key")
        return self.area.key

    @property
    def alg(self) -> int:
        """See hw.keys.DeviceKey."""
        return alg_of(self.public_key.curve)

    def sign(self, data: bytes) -> bytes:
        """See hw.keys.DeviceKey; raises TpmError when the TPM does not sign."""
        if self.area.scheme is None:
            raise TpmError("the device key has no fixed signature scheme")
        digest = self.area.scheme.hash.digest(data)
        size = 32 if self.alg == ES256 else 48
        with self._link.use("sign with the device key") as esys:
            with _authorised(self._link, self.unique_index) as session:
                key = self._link.require(self.handle, "device key")
                scheme = TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL)
                made = esys.sign(key, digest, scheme, session1=session)
        pair = made.signature.ecdsa
        r, s = bytes(pair.signatureR), bytes(pair.signatureS)
        return raw_pair(int.from_bytes(r, "big"), int.from_bytes(s, "big"), size)


@dataclass(frozen=True, slots=True)
class TpmHmac:
    """The HmacKey in a TPM."""

    hash_type: int
    handle: int
    _link: Link = field(repr=False)

    def mac(self, data: bytes) -> bytes:
        """See hw.keys.HmacKey. A sequence, as headers can exceed the TPM's buffer."""
        step = self._link.buffer_size(Buffer.INPUT)
        with self._link.use("HMAC in the TPM") as esys:
            with _authorised(self._link, HMAC_UNIQUE) as session:
                key = self._link.require(self.handle, "HMAC key")
                sequence = esys.hmac_start(key, b"", TPM2_ALG.NULL, session1=session)
            for at in range(0, len(data), step):
                esys.sequence_update(sequence, data[at : at + step])
            mac, _ = esys.sequence_complete(sequence, b"", ESYS_TR.RH_NULL)
            return bytes(mac)


def create_device_key(link: Link, curve: str) -> TpmKey:
    """A new device key in place of any old one, with a new unique string."""
    _create(link, _device_kind(curve), DEVICE_UNIQUE, DEVICE_KEY)
    return load_device_key(link)


def load_device_key(link: Link) -> TpmKey:
    """The device key; raises TpmError when the TPM has none."""
    public = read_public(link, DEVICE_KEY, "device key")
    return TpmKey(PublicArea.from_bytes(public.marshal()), DEVICE_KEY, link)


def create_owner_key(link: Link, curve: str) -> TpmKey:
    """A new key for an owner's certificate in place of any old one."""
    _create(link, _device_kind(curve), OWNER_UNIQUE, OWNER_KEY)
    return load_owner_key(link)


def load_owner_key(link: Link) -> TpmKey:
    """The key of the owner's certificate; raises TpmError when there is none."""
    public = read_public(link, OWNER_KEY, "owner's key")
    area = PublicArea.from_bytes(public.marshal())
    return TpmKey(area, OWNER_KEY, link, OWNER_UNIQUE)


def _device_kind(curve: str) -> Kind:
    if curve not in _DEVICE_KINDS:
        raise TpmError(f"device keys are on P-256 or P-384, not {curve}")
    return _DEVICE_KINDS[curve]


def create_hmac_key(link: Link, hash_type: int) -> TpmHmac:
    """A new HMAC key in place of any old one, with a new unique string."""
    if hash_type not in _HMAC_KINDS:
        raise TpmError(f"HMAC type {hash_type} is neither 5 nor 6")
    _create(link, _HMAC_KINDS[hash_type], HMAC_UNIQUE, HMAC_KEY)
    return load_hmac_key(link)


def load_hmac_key(link: Link) -> TpmHmac:
    """The HMAC key; raises TpmError when the TPM has none."""
    area = read_public(link, HMAC_KEY, "HMAC key").publicArea
    if area.type != TPM2_ALG.KEYEDHASH:
        raise TpmError(f"the key at {HMAC_KEY:#010x} is no HMAC key")
    hashing = area.parameters.keyedHashDetail.scheme.details.hmac.hashAlg
    if hashing not in _HMAC_TYPES:
        raise TpmError("the HMAC key's hash is neither SHA-256 nor SHA-384")
    return TpmHmac(_HMAC_TYPES[hashing], HMAC_KEY, link)


def _create(link: Link, kind: Kind, unique_index: int, handle: int) -> None:
    with link.use("create key") as esys:
        unique = b"".join(bytes(esys.get_random(32)) for _ in range(UNIQUE_SIZE // 32))
        nv_write(link, unique_index, unique)
        with _authorised(link, unique_index, trial=True) as session:
            policy = bytes(esys.policy_get_digest(session))
        public = template(kind, POLICY_ATTRIBUTES, policy, unique)
        make_persistent(link, public, handle)


@contextmanager
def _authorised(
    link: Link, unique_index: int, trial: bool = False
) -> Iterator[ESYS_TR]:
    """A session in which the keys' policy holds: the unique string can be commanded."""
    with link.policy_session(trial) as session:
        with link.use("authorise key") as esys:
            unique = link.require(unique_index, "unique string")
            esys.policy_nv(unique, unique, session, b"\0", TPM2_EO.UNSIGNED_GE, 0)
            esys.policy_secret(unique, session, b"", b"", b"", 0)
        yield session
