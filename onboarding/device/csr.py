"""A certificate request for a key that cannot leave its TPM.

`cryptography` builds requests only for private keys it holds, so the request is put
together here and signed through the key's own port. Source: RFC 2986, section 4.
"""

from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID, ObjectIdentifier, SignatureAlgorithmOID

from hw.keys import ES256, ES384, PS256, PS384, RS256, RS384, DeviceKey
from ownership_vouchers.keys import spki

_SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_SHA384 = ObjectIdentifier("2.16.840.1.101.3.4.2.2")
_MGF1 = ObjectIdentifier("1.2.840.113549.1.1.8")


@asn1.sequence
class _Hashing:
    algorithm: ObjectIdentifier
    parameters: asn1.Null


@asn1.sequence
class _Masking:
    algorithm: ObjectIdentifier
    parameters: _Hashing


@asn1.sequence
class _Pss:
    """Source: RFC 4055, section 3.1."""

    hashing: Annotated[_Hashing, asn1.Explicit(0)]
    masking: Annotated[_Masking, asn1.Explicit(1)]
    salt: Annotated[int, asn1.Explicit(2)]


@asn1.sequence
class _Signing:
    algorithm: ObjectIdentifier
    parameters: asn1.Null | _Pss | None


@asn1.sequence
class _Info:
    version: int
    subject: asn1.TLV
    key: asn1.TLV
    attributes: Annotated[asn1.SetOf[asn1.TLV], asn1.Implicit(0)]


@asn1.sequence
class _Request:
    info: _Info
    signed_with: _Signing
    signature: asn1.BitString


def certificate_request(key: DeviceKey, common_name: str) -> bytes:
    """Return a DER PKCS#10 request for ``key``, signed by it.

    Args:
        common_name: 1 to 64 characters.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    info = _Info(
        version=0,
        subject=asn1.decode_der(asn1.TLV, subject.public_bytes()),
        key=asn1.decode_der(asn1.TLV, spki(key.public_key)),
        attributes=asn1.SetOf([]),  # present and empty
    )
    signature = key.sign(asn1.encode_der(info))
    if isinstance(key.public_key, ec.EllipticCurvePublicKey):
        signature = _der_signature(signature)
    signed = asn1.BitString(signature, 0)
    request = _Request(info=info, signed_with=_SIGNING[key.alg], signature=signed)
    return asn1.encode_der(request)


def _pss(hashing: ObjectIdentifier, salt: int) -> _Signing:
    digest = _Hashing(algorithm=hashing, parameters=asn1.Null())
    mask = _Masking(algorithm=_MGF1, parameters=digest)
    parameters = _Pss(hashing=digest, masking=mask, salt=salt)
    return _Signing(algorithm=SignatureAlgorithmOID.RSASSA_PSS, parameters=parameters)


def _der_signature(raw: bytes) -> bytes:
    half = len(raw) // 2
    r, s = raw[:half], raw[half:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


_SIGNING = {  # RFC 5758, section 3.2; RFC 4055, sections 3.1 and 5
    ES256: _Signing(algorithm=SignatureAlgorithmOID.ECDSA_WITH_SHA256, parameters=None),
    ES384: _Signing(algorithm=SignatureAlgorithmOID.ECDSA_WITH_SHA384, parameters=None),
    RS256: _Signing(
        algorithm=SignatureAlgorithmOID.RSA_WITH_SHA256, parameters=asn1.Null()
    ),
    RS384: _Signing(
        algorithm=SignatureAlgorithmOID.RSA_WITH_SHA384, parameters=asn1.Null()
    ),
    PS256: _pss(_SHA256, 32),
    PS384: _pss(_SHA384, 48),
}
