"""Reading a certificate that a TPM's vendor made, also one that is not quite DER.

EK certificates and vendors' roots are read so, and nothing else. A signature is
always checked over the bytes that came; the form used here is for reading alone.
Source: RFC 5280, section 4.1; TCG EK Credential Profile 2.5, section 3.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography import x509

from attestation.ek_verdict import MAX_CERTIFICATE, EkNote, EkNoteCode
from attestation.odd_der import (
    BOOLEAN,
    INTEGER,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    Note,
    Value,
    integer,
    read_value,
)
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.keys import UNREADABLE

MAX_SERIAL = 20  # bytes, sign included
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_KEY_USAGE = bytes.fromhex("551d0f")
_ALTERNATIVE_NAME = bytes.fromhex("551d11")
_REREAD = (_BASIC_CONSTRAINTS, _KEY_USAGE, _ALTERNATIVE_NAME)
_RSA = bytes.fromhex("2a864886f70d010101")  # rsaEncryption
_RSA_OAEP = bytes.fromhex("2a864886f70d010107")  # id-RSAES-OAEP
_ECDSA = bytes.fromhex("2a8648ce3d0403")  # ecdsa-with-SHA2
_NULL = Value(0x05)

_SENTENCES = {
    EkNoteCode.BYTES_AFTER: "bytes follow the certificate",
    EkNoteCode.LONG_LENGTH: "a length is not in its shortest form",
    EkNoteCode.INDEFINITE_LENGTH: "a value has no definite length",
    EkNoteCode.LONG_INTEGER: "a number is not in its shortest form",
    EkNoteCode.SERIAL_NEGATIVE: "the serial number is negative",
    EkNoteCode.SERIAL_ZERO: "the serial number is zero",
    EkNoteCode.SERIAL_LONG: f"the serial number has over {MAX_SERIAL} bytes",
    EkNoteCode.BOOLEAN: "a truth value is neither 00 nor FF",
    EkNoteCode.DEFAULT_WRITTEN: "a value is written out though it is the default",
    EkNoteCode.SET_ORDER: "the parts of a set are not in order",
    EkNoteCode.UNUSED_BITS: "the unused bits of a bit string are not zero",
    EkNoteCode.TIME: "a date is not written as RFC 5280 says",
    EkNoteCode.KEY_FOR_OAEP: "the RSA key is marked for OAEP",
    EkNoteCode.NULL_AFTER: "the signature algorithm has a NULL after it",
    EkNoteCode.NAME_UNREADABLE: "the alternative name cannot be read",
}


@dataclass(frozen=True, slots=True)
class ReadCertificate:
    """A certificate as read.

    ``certificate`` is in DER; ``signed`` is what its issuer signed, as it came;
    ``serials`` are all numbers that its serial may be taken for; ``notes`` tell how the
    two forms differ.
    """

    certificate: x509.Certificate
    signed: bytes
    serials: frozenset[int]
    notes: tuple[EkNote, ...] = ()


def read_certificate(data: bytes) -> ReadCertificate:
    """Read a certificate, DER or nearly so.

    Raises:
        MalformedError: With what cannot be read.
    """
    if len(data) > MAX_CERTIFICATE:
        raise MalformedError(f"over {MAX_CERTIFICATE} bytes")
    seen: dict[EkNoteCode, None] = {}  # once each, in the order met
    return _read(data, seen)


def _read(data: bytes, seen: dict[EkNoteCode, None]) -> ReadCertificate:
    def note(code: EkNoteCode) -> None:
        seen[code] = None

    outer, rest = read_value(data, note)
    if rest:
        note(EkNoteCode.BYTES_AFTER)
    if len(outer.parts) != 3:
        raise MalformedError("not the structure of a certificate")
    tbs, outside, signature = _parts(outer, SEQUENCE, 3)
    signed, algorithm = tbs.raw, _algorithm(outside, note)
    serial = _serial(tbs)
    for code in _serial_notes(serial):
        note(code)
    fixed = _certified(tbs, note)
    certificate, named = _loaded(fixed, (algorithm, signature))
    if not named:
        note(EkNoteCode.NAME_UNREADABLE)
    unsigned = int.from_bytes(serial.content, "big")
    serials = frozenset({_number(serial), unsigned})
    notes = tuple(EkNote(code, _SENTENCES[code]) for code in seen)
    return ReadCertificate(certificate, signed, serials, notes)


def _parts(value: Value, tag: int, count: int) -> tuple[Value, ...]:
    if value.tag != tag or len(value.parts) < count:
        raise MalformedError("not the structure of a certificate")
    return value.parts


def _serial(tbs: Value) -> Value:
    parts = _parts(tbs, SEQUENCE, 6)
    found = parts[1] if parts[0].tag == _VERSION else parts[0]
    if found.tag != INTEGER:
        raise MalformedError("no serial number where it should be")
    return found


def _number(serial: Value) -> int:
    return int.from_bytes(serial.content, "big", signed=True)


def _serial_notes(serial: Value) -> list[EkNoteCode]:
    number = _number(serial)
    found = []
    if number < 0:
        found.append(EkNoteCode.SERIAL_NEGATIVE)
    if number == 0:
        found.append(EkNoteCode.SERIAL_ZERO)
    if len(serial.content) > MAX_SERIAL:
        found.append(EkNoteCode.SERIAL_LONG)
    return found


def _certified(tbs: Value, note: Note) -> Value:
    """The part that is signed, in a form that a strict decoder reads."""
    parts = list(_parts(tbs, SEQUENCE, 6))
    if parts[0].tag == _VERSION and parts[0].parts == (integer(0),):
        note(EkNoteCode.DEFAULT_WRITTEN)
        del parts[0]
    at = 1 if parts[0].tag == _VERSION else 0
    if _number(parts[at]) <= 0:  # it is read from what came
        parts[at] = integer(1)
    key = at + 5
    if len(parts) <= key:
        raise MalformedError("not the structure of a certificate")
    parts[at + 1] = _algorithm(parts[at + 1], note)
    parts[key] = _key(parts[key], note)
    for number, one in enumerate(parts):
        if one.tag == _EXTENSIONS:
            parts[number] = _extensions(one, note)
    return replace(tbs, parts=tuple(parts))


def _algorithm(value: Value, note: Note) -> Value:
    """ECDSA's identifiers stand alone (RFC 5758, section 3.2); some write a NULL."""
    oid, *parameters = _parts(value, SEQUENCE, 1)
    named = oid.tag == OBJECT_ID and oid.content.startswith(_ECDSA)
    if not named or [(one.tag, one.content) for one in parameters] != [(0x05, b"")]:
        return value
    note(EkNoteCode.NULL_AFTER)
    return replace(value, parts=(oid,))


def _key(info: Value, note: Note) -> Value:
    """SubjectPublicKeyInfo; RSA keys that are marked for one padding are RSA keys."""
    algorithm, *rest = _parts(info, SEQUENCE, 2)
    oid, *_parameters = _parts(algorithm, SEQUENCE, 1)
    if (oid.tag, oid.content) != (OBJECT_ID, _RSA_OAEP):
        return info
    note(EkNoteCode.KEY_FOR_OAEP)
    plain = Value(SEQUENCE, parts=(Value(OBJECT_ID, _RSA), _NULL))
    return replace(info, parts=(plain, *rest))


def _extensions(tagged: Value, note: Note) -> Value:
    (several, *_more) = _parts(tagged, _EXTENSIONS, 1)
    fixed = tuple(_extension(one, note) for one in _parts(several, SEQUENCE, 0))
    return replace(tagged, parts=(replace(several, parts=fixed), *_more))


def _extension(extension: Value, note: Note) -> Value:
    parts = list(_parts(extension, SEQUENCE, 2))
    _drop_false(parts, note)
    last = parts[-1]
    if parts[0].content in _REREAD and last.tag == OCTET_STRING:
        content = _reread(parts[0].content, last.content, note)
        parts[-1] = replace(last, content=content)
    return replace(extension, parts=tuple(parts))


def _reread(oid: bytes, content: bytes, note: Note) -> bytes:
    """What is inside an extension; as it is, where it cannot be read."""
    seen: list[EkNoteCode] = []
    try:
        value, rest = read_value(content, seen.append)
    except MalformedError:
        return content
    if rest:
        return content
    if oid == _BASIC_CONSTRAINTS and value.tag == SEQUENCE:
        parts = list(value.parts)
        _drop_false(parts, seen.append)
        value = replace(value, parts=tuple(parts))
    for code in seen:
        note(code)
    return value.encoded()


def _drop_false(parts: list[Value], note: Callable[[EkNoteCode], None]) -> None:
    """FALSE is the default wherever a certificate has a truth value."""
    if any((one.tag, one.content) == (BOOLEAN, b"\0") for one in parts):
        note(EkNoteCode.DEFAULT_WRITTEN)
        parts[:] = [one for one in parts if (one.tag, one.content) != (BOOLEAN, b"\0")]


def _loaded(tbs: Value, others: tuple[Value, Value]) -> tuple[x509.Certificate, bool]:
    """The certificate, and whether its alternative name could be read with it.

    What that name says of the TPM is told to people; nothing is decided by it where
    the certificate says otherwise what it is for.
    """
    certificate = _load(Value(SEQUENCE, parts=(tbs, *others)))
    try:
        _ = certificate.extensions
    except UNREADABLE as error:
        reduced = _load(Value(SEQUENCE, parts=(_without_name(tbs), *others)))
        try:
            _ = reduced.extensions
        except UNREADABLE:
            raise MalformedError("an extension that cannot be read") from error
        return reduced, False
    return certificate, True


def _load(value: Value) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(value.encoded())
        _ = (certificate.subject, certificate.issuer, certificate.version)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        _ = (certificate.signature, certificate.serial_number)
    except UNREADABLE as error:
        raise MalformedError("not well-formed") from error
    return certificate


def _without_name(tbs: Value) -> Value:
    def named(extension: Value) -> bool:
        return extension.parts[0].content == _ALTERNATIVE_NAME

    def fixed(part: Value) -> Value:
        if part.tag != _EXTENSIONS:
            return part
        several = part.parts[0]
        kept = tuple(one for one in several.parts if not named(one))
        return replace(part, parts=(replace(several, parts=kept),))

    return replace(tbs, parts=tuple(fixed(one) for one in tbs.parts))
