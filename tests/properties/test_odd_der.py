"""The decoder of almost-DER: nothing but its own error, and one form for each value."""

import contextlib

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from attestation.ek_leaf import read_leaf
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import CertificateFault, EkClass, EkNoteCode
from attestation.odd_der import Value, integer, read_value
from ownership_vouchers.errors import MalformedError
from tests.support.ek_authority import NOW, TpmVendor
from tests.support.odd_certificates import exact, sized

VENDOR = TpmVendor()
EK = ec.generate_private_key(ec.SECP256R1()).public_key()
CERTIFICATE = VENDOR.issuer.issue_ek(EK)

LEAVES = st.one_of(
    st.integers(-(2**200), 2**200).map(integer),
    st.booleans().map(lambda one: Value(0x01, b"\xff" if one else b"\0")),
    st.binary(max_size=40).map(lambda one: Value(0x04, one)),
    st.binary(max_size=40).map(lambda one: Value(0x03, b"\0" + one)),
    st.text(max_size=20).map(lambda one: Value(0x0C, one.encode())),
    st.datetimes().map(lambda at: Value(0x17, f"{at:%y%m%d%H%M%S}Z".encode())),
)


def _set(parts: list[Value]) -> Value:
    return Value(0x31, parts=tuple(sorted(parts, key=Value.encoded)))


VALUES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.lists(parts, max_size=4).map(lambda some: Value(0x30, parts=tuple(some))),
        st.lists(parts, max_size=4).map(_set),
        st.lists(parts, max_size=2).map(lambda some: Value(0xA0, parts=tuple(some))),
    ),
    max_leaves=20,
)


@given(VALUES)
def test_der_is_read_as_it_stands(value: Value) -> None:
    data = value.encoded()
    assert exact(data).encoded() == data


@given(VALUES, st.data())
def test_ber_with_long_or_no_lengths_is_brought_into_the_same_form(
    value: Value, data: st.DataObject
) -> None:
    def loose(one: Value) -> bytes:
        content = b"".join(map(loose, one.parts)) if one.constructed else one.content
        if one.constructed and data.draw(st.booleans()):
            return bytes([one.tag, 0x80]) + content + b"\0\0"
        return sized(one.tag, content, octets=data.draw(st.integers(0, 5)))

    noted: list[EkNoteCode] = []
    found, rest = read_value(loose(value), noted.append)
    assert not rest
    assert found.encoded() == value.encoded()
    known = {EkNoteCode.LONG_LENGTH, EkNoteCode.INDEFINITE_LENGTH, EkNoteCode.SET_ORDER}
    assert set(noted) <= known


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_once_and_for_all(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        value, rest = read_value(data, lambda _: None)
        assert exact(value.encoded()).encoded() == value.encoded()
        assert data.endswith(rest)


@given(st.integers(0, len(CERTIFICATE) - 1), st.binary(max_size=6), st.integers(0, 4))
def test_an_altered_certificate_is_the_vendors_only_if_it_says_the_same(
    at: int, new: bytes, cut: int
) -> None:
    data = CERTIFICATE[:at] + new + CERTIFICATE[at + cut :]
    try:
        leaf = read_leaf(data)
    except CertificateFault:
        return
    verdict = judge(EkEvidence(EK, data), VENDOR.trust, None, NOW)
    same = leaf.signed == read_leaf(CERTIFICATE).signed
    assert same or verdict.klass is not EkClass.VENDOR_TRUSTED
