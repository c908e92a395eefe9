import pytest
from cbor2 import CBORTag

from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Alg, SoftSigner
from ownership_vouchers.cose import Sign1, sign1
from ownership_vouchers.errors import MalformedError, SignatureError
from tests.support.supply_chain import KINDS, new_key


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_verifies_after_the_wire(kind: str) -> None:
    signer = SoftSigner(new_key(kind), pss=kind.endswith("PSS"))
    wire = sign1(signer, b"payload", {256: bytes(16)}, "application/x").encode()
    message = Sign1.from_cbor(wire, tagged=True)
    message.verify(signer.public_key)
    assert message.payload == b"payload"
    assert message.alg is signer.alg
    assert message.headers == {1: signer.alg, 3: "application/x"}
    assert message.unprotected == {256: bytes(16)}
    assert message.encode() == wire


def signed() -> tuple[SoftSigner, list[object]]:
    signer = SoftSigner(new_key("P-256"))
    message = sign1(signer, b"payload")
    parts = [message.protected, {}, message.payload, message.signature]
    return signer, list(parts)


FORGED: dict[str, tuple[int, object]] = {
    "payload": (2, b"other"),
    "signature": (3, bytes(64)),
    "algorithm of another curve": (0, cbor.encode({1: -35})),
    "algorithm unknown": (0, cbor.encode({1: -8})),
    "no algorithm": (0, b""),
    "algorithm in text": (0, cbor.encode({1: "ES256"})),
    "header longer": (0, cbor.encode({1: -7, 3: "x"})),
}


@pytest.mark.parametrize(("part", "value"), FORGED.values(), ids=FORGED)
def test_a_changed_message_does_not_verify(part: int, value: object) -> None:
    signer, parts = signed()
    Sign1.from_item(parts).verify(signer.public_key)  # passes unaltered
    parts[part] = value
    with pytest.raises((SignatureError, MalformedError)):
        Sign1.from_item(parts).verify(signer.public_key)


def test_the_key_of_another_does_not_verify() -> None:
    _, parts = signed()
    with pytest.raises(SignatureError):
        Sign1.from_item(parts).verify(new_key("P-256").public_key())


def test_a_prefix_is_part_of_what_is_signed() -> None:
    signer = SoftSigner(new_key("P-256"))
    message = sign1(signer, b"payload")
    with pytest.raises(SignatureError):
        message.verify(signer.public_key, prefix=b"x")


SHAPES: dict[str, object] = {
    "three parts": [b"", {}, b""],
    "protected header as map": [{1: -7}, {}, b"", b""],
    "open header as array": [b"", [], b"", b""],
    "no payload": [b"", {}, None, b""],
    "signature over 512 bytes": [b"", {}, b"", bytes(513)],
    "protected header over 1024 bytes": [bytes(1025), {}, b"", b""],
    "tag of a MAC": CBORTag(17, [b"", {}, b"", b""]),
}


@pytest.mark.parametrize("item", SHAPES.values(), ids=SHAPES)
def test_another_shape_is_no_sign1(item: object) -> None:
    with pytest.raises(MalformedError):
        Sign1.from_item(item)


def test_the_tag_is_required_where_it_is_said() -> None:
    _, parts = signed()
    with pytest.raises(MalformedError, match="no tag 18"):
        Sign1.from_item(parts, tagged=True)


def test_nobody_can_change_the_header_others_read() -> None:
    _, parts = signed()
    headers = Sign1.from_item(parts).headers
    with pytest.raises(TypeError):
        headers[1] = Alg.ES384  # type: ignore[index]  # that is the point
