"""The signature of a certificate that may not be quite DER, over the bytes that came.

Source: RFC 5280, section 4.1.1.3.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def signed_by(child: x509.Certificate, signed: bytes, issuer: x509.Certificate) -> bool:
    """Whether ``issuer``, by name and key, signed what came.

    Args:
        child: In DER's form, which need not be the form that was signed.
        signed: Its TBSCertificate as it came.
    """
    if child.issuer != issuer.subject:
        return False
    key = issuer.public_key()
    try:
        algorithm = child.signature_hash_algorithm
        if not isinstance(algorithm, _HASHES):
            return False
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(child.signature, signed, ec.ECDSA(algorithm))
            return True
        if isinstance(key, rsa.RSAPublicKey):
            fill = child.signature_algorithm_parameters
            if isinstance(fill, padding.PKCS1v15 | padding.PSS):
                key.verify(child.signature, signed, fill, algorithm)
                return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return False
