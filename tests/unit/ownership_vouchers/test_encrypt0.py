import pytest
from cbor2 import CBORTag

from ownership_vouchers import cbor
from ownership_vouchers.encrypt0 import Aead, Encrypt0, encrypt0
from ownership_vouchers.errors import DecryptError, MalformedError


@pytest.mark.parametrize("suite", Aead)
def test_what_is_encrypted_opens_after_the_wire(suite: Aead) -> None:
    key, iv = bytes(suite.key_size), bytes(suite.iv_size)
    wire = encrypt0(suite, suite.of(key), iv, b"plain").encode()
    message = Encrypt0.from_cbor(wire, suite.iv_size)
    assert message.open(suite, suite.of(key)) == b"plain"
    assert message.encode() == wire
    with pytest.raises(DecryptError, match="does not decrypt"):
        message.open(suite, suite.of(b"\x01" + key[1:]))


def test_the_suite_agreed_on_is_the_only_one() -> None:
    message = encrypt0(Aead.A128GCM, Aead.A128GCM.of(bytes(16)), bytes(12), b"plain")
    with pytest.raises(DecryptError, match="another cipher suite"):
        message.open(Aead.A256GCM, Aead.A256GCM.of(bytes(32)))


def test_what_encrypts_nothing_is_refused() -> None:
    for item in (
        [b"", {5: bytes(11)}, b""],
        [b"", {}, b""],
        [b"", {5: bytes(12), 6: 1}, b""],
        [b"", {5: bytes(12)}],
        CBORTag(18, [b"", {5: bytes(12)}, b""]),
    ):
        with pytest.raises(MalformedError):
            Encrypt0.from_cbor(cbor.encode(item))
    short = Encrypt0.from_cbor(
        cbor.encode([Aead.A128GCM.protected, {5: bytes(12)}, b"x"])
    )
    with pytest.raises(DecryptError):
        short.open(Aead.A128GCM, Aead.A128GCM.of(bytes(16)))
