"""A certificate request for a key that cannot leave its TPM.

`cryptography` builds requests only for private keys it holds, so the request is put
together here and signed through the key's own port. Source: RFC 2986, section 4.
"""

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID
from pyasn1.codec.der import decoder, encoder
from pyasn1.type.univ import BitString, Null, ObjectIdentifier
from pyasn1_modules import rfc2986, rfc4055, rfc5280  # type: ignore[import-untyped]

from hw.keys import ES256, ES384, PS256, PS384, RS256, RS384, DeviceKey
from ownership_vouchers.keys import spki

_SIGNED_WITH = {
    ES256: "1.2.840.10045.4.3.2",
    ES384: "1.2.840.10045.4.3.3",
    RS256: "1.2.840.113549.1.1.11",
    RS384: "1.2.840.113549.1.1.12",
}
_PSS = {
    PS256: ("2.16.840.1.101.3.4.2.1", 32),
    PS384: ("2.16.840.1.101.3.4.2.2", 48),
}


def certificate_request(key: DeviceKey, common_name: str) -> bytes:
    """Return a DER PKCS#10 request for ``key``, signed by it.

    Args:
        common_name: 1 to 64 characters.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    info = rfc2986.CertificationRequestInfo()
    info["version"] = 0
    info["subject"] = _as(subject.public_bytes(), rfc5280.Name())
    info["subjectPKInfo"] = _as(spki(key.public_key), rfc5280.SubjectPublicKeyInfo())
    info["attributes"].clear()  # present and empty
    request = rfc2986.CertificationRequest()
    request["certificationRequestInfo"] = info
    _name_algorithm(request["signatureAlgorithm"], key.alg)
    signature = key.sign(bytes(encoder.encode(info)))
    if isinstance(key.public_key, ec.EllipticCurvePublicKey):
        signature = _der_signature(signature)
    request["signature"] = BitString.fromOctetString(signature)
    return bytes(encoder.encode(request))


def _name_algorithm(field: Any, alg: int) -> None:
    """Source: RFC 5758, section 3.2; RFC 4055, sections 3.1 and 5."""
    if alg in _PSS:
        hashing, salt = _PSS[alg]
        field["algorithm"] = rfc4055.id_RSASSA_PSS
        field["parameters"] = encoder.encode(_pss(hashing, salt))
        return
    field["algorithm"] = ObjectIdentifier(_SIGNED_WITH[alg])
    if alg in (RS256, RS384):
        field["parameters"] = encoder.encode(Null(""))


def _pss(hashing: str, salt: int) -> object:
    parameters = rfc4055.RSASSA_PSS_params()
    digest = parameters["hashAlgorithm"]
    digest["algorithm"] = ObjectIdentifier(hashing)
    digest["parameters"] = encoder.encode(Null(""))
    mask = parameters["maskGenAlgorithm"]
    mask["algorithm"] = rfc4055.id_mgf1
    inner = rfc5280.AlgorithmIdentifier()
    inner["algorithm"] = ObjectIdentifier(hashing)
    inner["parameters"] = encoder.encode(Null(""))
    mask["parameters"] = encoder.encode(inner)
    parameters["saltLength"] = salt
    return parameters


def _as(der: bytes, spec: object) -> object:
    value, _ = decoder.decode(der, asn1Spec=spec)
    return value


def _der_signature(raw: bytes) -> bytes:
    half = len(raw) // 2
    r, s = raw[:half], raw[half:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
