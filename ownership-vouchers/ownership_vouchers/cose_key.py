"""EC keys as COSE_Key maps, in both shapes that are about.

RFC 8152 has four entries; C and Java peers write and want the same without ``kty``.
Source: RFC 8152, sections 7 and 13.1.1.
"""

from cryptography.hazmat.primitives.asymmetric import ec

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError, UnsupportedKeyError

_KTY, _CRV, _X, _Y = 1, -1, -2, -3
_EC2 = 2
_CURVES: dict[str, tuple[ec.EllipticCurve, int, int]] = {
    "secp256r1": (ec.SECP256R1(), 1, 32),
    "secp384r1": (ec.SECP384R1(), 2, 48),
}


def read_cose_key(curve_name: str, body: object) -> ec.EllipticCurvePublicKey:
    """Read a key on that curve, in either shape; short coordinates are padded.

    Raises:
        MalformedError: Another shape, or no point of the curve.
        UnsupportedKeyError: Another curve.
    """
    if curve_name not in _CURVES:
        raise UnsupportedKeyError("COSE_Key is taken for EC keys only")
    curve, number, size = _CURVES[curve_name]
    fields = cbor.mapping(body)
    kind = cbor.integer(fields.pop(_KTY, _EC2))
    if kind != _EC2 or set(fields) != {_CRV, _X, _Y}:
        raise MalformedError("COSE_Key is not an EC2 key of crv, x, y")
    if cbor.integer(fields[_CRV]) != number:
        raise UnsupportedKeyError(f"COSE_Key curve is not {curve_name}")
    x = cbor.bstr(fields[_X], limit=size).rjust(size, b"\0")
    y = cbor.bstr(fields[_Y], limit=size).rjust(size, b"\0")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)
    except ValueError as error:
        raise MalformedError("COSE_Key point is not on its curve") from error


def write_cose_key(key: object, *, bare: bool = False) -> dict[int, object]:
    """Return the map; ``bare`` leaves ``kty`` out. Raises UnsupportedKeyError."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise UnsupportedKeyError("COSE_Key is written for EC keys only")
    _, number, size = _CURVES[key.curve.name]
    point = key.public_numbers()
    x, y = point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big")
    kind: dict[int, object] = {} if bare else {_KTY: _EC2}
    return {**kind, _CRV: number, _X: x, _Y: y}


def is_bare(body: object) -> bool:
    """Whether a COSE_Key leaves out which kind of key it is."""
    return _KTY not in cbor.mapping(body)
