"""The tunnel, held against samples made without us."""

import json
import secrets
from typing import Any

import pytest

from onboarding.protocol.tunnel import Tunnel
from ownership_vouchers.cose import Aead
from ownership_vouchers.errors import DecryptError
from tests.support.transcripts import VECTORS

SAMPLES: list[dict[str, Any]] = json.loads(
    (VECTORS / "tunnel_aead_extra.json").read_text()
)["vectors"]
OURS = [one for one in SAMPLES if one["cipher_suite"] in tuple(Aead)]


@pytest.mark.parametrize("sample", OURS, ids=lambda one: str(one["cipher_suite"]))
def test_samples_are_written_and_read_to_the_byte(sample: dict[str, Any]) -> None:
    tunnel = Tunnel(Aead(sample["cipher_suite"]), bytes.fromhex(sample["sevk"]))
    iv = bytes.fromhex(sample["iv"])
    plain, message = (bytes.fromhex(sample[name]) for name in ("plaintext", "message"))
    assert tunnel.open(message) == plain
    assert tunnel.seal(plain, lambda _size: iv) == message


def test_an_untagged_message_is_taken() -> None:
    tunnel = Tunnel(Aead.A128GCM, bytes(16))
    assert tunnel.open(tunnel.seal(b"plain", secrets.token_bytes)[1:]) == b"plain"


def test_the_same_text_is_never_sealed_the_same() -> None:
    tunnel = Tunnel(Aead.A256GCM, bytes(32))
    assert len({tunnel.seal(b"", secrets.token_bytes) for _ in range(50)}) == 50


def test_another_key_opens_nothing() -> None:
    sealed = Tunnel(Aead.A128GCM, bytes(16)).seal(b"plain", secrets.token_bytes)
    with pytest.raises(DecryptError):
        Tunnel(Aead.A128GCM, b"x" * 16).open(sealed)


def test_the_key_is_not_in_the_repr() -> None:
    assert "key" not in repr(Tunnel(Aead.A128GCM, b"k" * 16))
