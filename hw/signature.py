"""TPMT_SIGNATURE: parse one and verify it under the scheme its key is bound to.

Source: TPM 2.0 Library, part 2, section 11.3.4.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from hw.algorithms import HashAlg, Scheme, SchemeAlg
from hw.errors import EvidenceError
from hw.reader import Reader

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_MAX_SIGNATURE = 600  # bytes: RSA-4096 and its header
_MAX_RSA = 512
_MAX_COORDINATE = 48


def verify(scheme: Scheme, key: PublicKey, data: bytes, signature: bytes) -> None:
    """Check a marshalled TPMT_SIGNATURE over ``data``.

    The signature must name the very scheme and hash that the key's public area fixes;
    what the signature says of itself is never followed.

    Raises:
        StructureError: The signature is not a TPMT_SIGNATURE that we accept.
        EvidenceError: It is another scheme's, or does not verify.
    """
    reader = Reader(signature, "TPMT_SIGNATURE", _MAX_SIGNATURE)
    named = Scheme(reader.member(SchemeAlg), reader.member(HashAlg))
    if named != scheme:
        raise EvidenceError("the signature is not made under the key's own scheme")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            raw = reader.sized(_MAX_RSA)
            reader.end()
            key.verify(raw, data, _padding(scheme), scheme.hash.algorithm)
        else:
            r, s = reader.sized(_MAX_COORDINATE), reader.sized(_MAX_COORDINATE)
            reader.end()
            der = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
            key.verify(der, data, ec.ECDSA(scheme.hash.algorithm))
    except InvalidSignature as error:
        raise EvidenceError("the signature does not verify") from error


def _padding(scheme: Scheme) -> padding.AsymmetricPadding:
    if scheme.alg is SchemeAlg.RSAPSS:
        # TPMs differ in the salt they use: part 1, annex B.7 allows two lengths.
        mgf = padding.MGF1(scheme.hash.algorithm)
        return padding.PSS(mgf, padding.PSS.AUTO)
    return padding.PKCS1v15()


def raw_ecdsa(der: bytes, size: int) -> bytes:
    """A DER ECDSA signature as ``r || s``, each ``size`` bytes, as COSE wants it."""
    return raw_pair(*decode_dss_signature(der), size)


def raw_pair(r: int, s: int, size: int) -> bytes:
    """``r || s``, each ``size`` bytes: some TPMs give small numbers fewer bytes."""
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
