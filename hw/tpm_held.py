"""Keys in a TPM, ready for use: they sign and MAC, and cannot be had.

``ref`` names the key. Before each use it is looked up by that, so that a handle at
which another key has been put meanwhile is not mistaken for it.
"""

from dataclasses import dataclass, field

from hw.errors import TpmError
from hw.key_ref import KeyRef
from hw.keys import ES256, ES384, HMAC_SHA256, HMAC_SHA384, DevicePublicKey, alg_of
from hw.public_area import PublicArea
from hw.signature import raw_pair
from hw.tpm_keys import HMAC, Place, authorised, find
from hw.tpm_primary import read_public
from hw.tss import ESYS_TR, TPM2_ALG, TPMT_SIG_SCHEME, Buffer, Link

_ECDSA_SIZES = {ES256: 32, ES384: 48}
_HMAC_TYPES = {TPM2_ALG.SHA256: HMAC_SHA256, TPM2_ALG.SHA384: HMAC_SHA384}


@dataclass(frozen=True, slots=True)
class TpmKey:
    """A DeviceKey in a TPM: the device key, or the one that is made for an owner."""

    area: PublicArea
    place: Place
    _link: Link = field(repr=False)
    ref: KeyRef | None = None

    @property
    def handle(self) -> int:
        """The persistent handle it is at now; raises TpmError when it is gone."""
        return find(self._link, self.place, self.ref)

    @property
    def public_area(self) -> bytes:
        """TPM2B_PUBLIC."""
        return self.area.raw

    @property
    def public_key(self) -> DevicePublicKey:
        """See hw.keys.DeviceKey."""
        return self.area.key

    @property
    def alg(self) -> int:
        """See hw.keys.DeviceKey."""
        return alg_of(self.public_key)

    def sign(self, data: bytes) -> bytes:
        """See hw.keys.DeviceKey; raises TpmError when the TPM does not sign."""
        if self.area.scheme is None:
            raise TpmError(f"the {self.place.what} has no fixed signature scheme")
        digest = self.area.scheme.hash.digest(data)
        with self._link.use(f"sign with the {self.place.what}") as esys:
            handle = self.handle
            with authorised(self._link, self.place) as session:
                key = self._link.require(handle, self.place.what)
                scheme = TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL)
                made = esys.sign(key, digest, scheme, session1=session)
        if self.alg not in _ECDSA_SIZES:
            return bytes(made.signature.rsassa.sig)
        pair = made.signature.ecdsa
        r, s = bytes(pair.signatureR), bytes(pair.signatureS)
        size = _ECDSA_SIZES[self.alg]
        return raw_pair(int.from_bytes(r, "big"), int.from_bytes(s, "big"), size)


@dataclass(frozen=True, slots=True)
class TpmHmac:
    """The HmacKey in a TPM."""

    hash_type: int
    _link: Link = field(repr=False)
    ref: KeyRef | None = None

    def mac(self, data: bytes) -> bytes:
        """See hw.keys.HmacKey. A sequence, as headers can exceed the TPM's buffer."""
        step = self._link.buffer_size(Buffer.INPUT)
        with self._link.use("HMAC in the TPM") as esys:
            handle = find(self._link, HMAC, self.ref)
            with authorised(self._link, HMAC) as session:
                key = self._link.require(handle, HMAC.what)
                sequence = esys.hmac_start(key, b"", TPM2_ALG.NULL, session1=session)
            for at in range(0, len(data), step):
                esys.sequence_update(sequence, data[at : at + step])
            mac, _ = esys.sequence_complete(sequence, b"", ESYS_TR.RH_NULL)
            return bytes(mac)


def signing_key(link: Link, place: Place, ref: KeyRef | None) -> TpmKey:
    """The key of that name, or what is in the place; raises TpmError."""
    public = read_public(link, find(link, place, ref), place.what)
    return TpmKey(PublicArea.from_bytes(public.marshal()), place, link, ref)


def hmac_key(link: Link, ref: KeyRef | None) -> TpmHmac:
    """The HMAC key of that name, or what is in its place; raises TpmError."""
    handle = find(link, HMAC, ref)
    area = read_public(link, handle, HMAC.what).publicArea
    if area.type != TPM2_ALG.KEYEDHASH:
        raise TpmError(f"the key at {handle:#010x} is no HMAC key")
    hashing = area.parameters.keyedHashDetail.scheme.details.hmac.hashAlg
    if hashing not in _HMAC_TYPES:
        raise TpmError("the HMAC key's hash is neither SHA-256 nor SHA-384")
    return TpmHmac(_HMAC_TYPES[hashing], link, ref)
