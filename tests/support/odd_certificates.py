"""EK certificates as some vendors wrote them: signed rightly, not in DER. TEST KEYS."""

from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.odd_der import SET, Value, read_value
from tests.support.ek_authority import TPM_NAME, Issuer

Change = Callable[[Value], bytes | None]


def exact(data: bytes) -> Value:
    """Read what is in DER."""

    def refuse(code: object) -> None:
        raise AssertionError(code)

    value, rest = read_value(data, refuse)
    assert not rest
    return value


def sized(tag: int, content: bytes, *, octets: int = 0) -> bytes:
    """A value, its length in at least so many bytes."""
    size = len(content)
    needed = max(octets, (size.bit_length() + 7) // 8)
    if size < 0x80 and not octets:
        return bytes([tag, size]) + content
    return bytes([tag, 0x80 | needed]) + size.to_bytes(needed, "big") + content


def written(value: Value, change: Change) -> bytes:
    """DER, but for the values that ``change`` writes in another way."""
    other = change(value)
    if other is not None:
        return other
    parts = b"".join(written(one, change) for one in value.parts)
    return sized(value.tag, parts if value.constructed else value.content)


def reissued(issuer: Issuer, certificate: bytes, change: Change) -> bytes:
    """The certificate with other bytes in what is signed, and signed so."""
    tbs, algorithm, _ = exact(certificate).parts
    signed = written(tbs, change)
    signature = issuer.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    rest = algorithm.encoded() + sized(0x03, b"\0" + signature)
    return sized(0x30, signed + rest)


def serial(content: bytes) -> Change:
    """Give it that serial number; content of the INTEGER."""
    return once(lambda one: one.tag == 0x02 and len(one.content) > 1, 0x02, content)


def once(fits: Callable[[Value], bool], tag: int, content: bytes) -> Change:
    """Write the first value that fits as another."""
    done: list[Value] = []

    def change(one: Value) -> bytes | None:
        if done or not fits(one):
            return None
        done.append(one)
        return sized(tag, content)

    return change


def replaced(old: bytes, new: bytes) -> Change:
    """Write the one value of that content in another way."""

    def change(one: Value) -> bytes | None:
        return new if not one.constructed and one.content == old else None

    return change


def name_out_of_order() -> bytes:
    """The alternative name with the TPM's three attributes in one unordered set."""
    (name,) = TPM_NAME
    assert isinstance(name, x509.DirectoryName)
    relatives = exact(name.value.public_bytes()).parts
    attributes = sorted((one.parts[0].encoded() for one in relatives), reverse=True)
    directory = sized(0x30, sized(SET, b"".join(attributes)))
    return sized(0x30, sized(0xA4, directory))
