"""The envelope: each kind of document is itself only, and someone's only."""

from collections.abc import Mapping

import pytest
from cbor2 import CBORTag

from attestation.documents import ContentType, sign_document, sign_payload
from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1, sign1
from tests.support.documents import KEY, KINDS, SIGNER, STRANGER

kinds = pytest.mark.parametrize("kind", KINDS)


def fault_of(kind: ContentType, data: bytes) -> DocumentFault:
    with pytest.raises(DocumentRefused) as refusal:
        KINDS[kind].open(data, KEY)
    assert refusal.value.sentence
    assert refusal.value.remedy
    return refusal.value.code


@kinds
def test_a_document_opens_to_what_was_signed(kind: ContentType) -> None:
    one = KINDS[kind]
    assert one.open(one.sign(SIGNER), KEY) == one.value


@kinds
def test_each_kind_refuses_every_other(kind: ContentType) -> None:
    for other in set(KINDS) - {kind}:
        assert fault_of(kind, KINDS[other].sign(SIGNER)) is DocumentFault.WRONG_TYPE


@kinds
def test_the_content_of_another_kind_does_not_pass_under_this_type(
    kind: ContentType,
) -> None:
    for other in set(KINDS) - {kind}:
        payload = Sign1.from_cbor(KINDS[other].sign(SIGNER)).payload
        data = sign_payload(kind, payload, SIGNER)
        with pytest.raises(DocumentRefused):
            KINDS[kind].open(data, KEY)


@kinds
def test_another_key_signs_nothing(kind: ContentType) -> None:
    data = KINDS[kind].sign(STRANGER)
    assert fault_of(kind, data) is DocumentFault.BAD_SIGNATURE


@kinds
def test_no_byte_can_be_changed(kind: ContentType) -> None:
    data = KINDS[kind].sign(SIGNER)
    for place in range(len(data)):
        forged = bytearray(data)
        forged[place] ^= 1
        with pytest.raises(DocumentRefused):
            KINDS[kind].open(bytes(forged), KEY)


@kinds
def test_a_field_more_or_less_is_refused(kind: ContentType) -> None:
    payload = Sign1.from_cbor(KINDS[kind].sign(SIGNER)).payload
    fields = cbor.mapping(cbor.decode(payload))
    changed: dict[str, Mapping[object, object]] = {
        "one more": {**fields, 99: 0},
        "one less": {key: fields[key] for key in fields if key != 1},
        "renamed": {**{key: fields[key] for key in fields if key != 1}, "1": fields[1]},
    }
    for odd in changed.values():
        data = sign_payload(kind, cbor.encode(dict(odd)), SIGNER)
        assert fault_of(kind, data) is DocumentFault.MALFORMED


@kinds
def test_each_field_has_its_type(kind: ContentType) -> None:
    payload = Sign1.from_cbor(KINDS[kind].sign(SIGNER)).payload
    fields = cbor.mapping(cbor.decode(payload))
    for key in fields:
        odd = {**fields, key: {"no": "such type"}}
        data = sign_payload(kind, cbor.encode(odd), SIGNER)
        assert fault_of(kind, data) is DocumentFault.MALFORMED


def _sign1(protected: bytes, unprotected: Mapping[object, object]) -> bytes:
    good = Sign1.from_cbor(KINDS[ContentType.PASSPORT].sign(SIGNER))
    signed = Sign1(protected, unprotected, good.payload, good.signature)
    return signed.encode()


PROTECTED = Sign1.from_cbor(KINDS[ContentType.PASSPORT].sign(SIGNER)).protected
ENVELOPES = {
    "no type": sign1(SIGNER, b"\xa0").encode(),
    "open header": _sign1(PROTECTED, {33: b"x"}),
    "type in the open header": _sign1(
        cbor.encode({1: -7}), {3: ContentType.PASSPORT.value}
    ),
    "one header more": _sign1(
        cbor.encode({1: -7, 3: ContentType.PASSPORT.value, 2: [3]}), {}
    ),
    "no tag": cbor.encode(
        cbor.array(
            cbor.untag(cbor.decode(_sign1(PROTECTED, {})), 18),
        )
    ),
    "another tag": cbor.encode(CBORTag(17, [PROTECTED, {}, b"", b""])),
    "not CBOR": b"\xff",
    "empty": b"",
    "bytes after it": _sign1(PROTECTED, {}) + b"\0",
    "too long": sign_document(ContentType.PASSPORT, {1: bytes(20000)}, SIGNER),
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_odd_envelope_is_refused(envelope: str) -> None:
    KINDS[ContentType.PASSPORT].open(_sign1(PROTECTED, {}), KEY)  # as it should be
    fault = fault_of(ContentType.PASSPORT, ENVELOPES[envelope])
    assert fault in (DocumentFault.WRONG_TYPE, DocumentFault.MALFORMED)


def test_a_document_is_measured_before_it_is_read() -> None:
    with pytest.raises(DocumentRefused, match="16385 bytes, at most 16384"):
        KINDS[ContentType.PASSPORT].open(b"\xff" * 16385, KEY)


def test_an_algorithm_that_is_not_the_keys_is_refused() -> None:
    header = cbor.encode({1: -257, 3: ContentType.PASSPORT.value})
    data = _sign1(header, {})
    assert fault_of(ContentType.PASSPORT, data) is DocumentFault.BAD_SIGNATURE


def test_every_kind_has_its_own_name() -> None:
    assert set(KINDS) == set(ContentType)
    assert all(one.value.startswith("application/vouchgate-") for one in ContentType)
