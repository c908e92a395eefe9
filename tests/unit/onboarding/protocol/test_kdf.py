"""The key derivation, held against recorded values."""

import json

import pytest

from onboarding.protocol.kdf import derive
from tests.support.transcripts import VECTORS

KDF = json.loads((VECTORS / "kdf.json").read_text())


@pytest.mark.parametrize("vector", KDF["vectors"], ids=lambda one: str(one["bits"]))
def test_derived_keys_are_the_recorded_ones(vector: dict[str, str]) -> None:
    prf = vector["prf"].lower().replace("hmac-", "").replace("-", "")
    shared, context = (
        bytes.fromhex(vector["shse"]),
        bytes.fromhex(vector["context_rand"]),
    )
    derived = derive(shared, context, int(vector["bits"]), prf)
    assert derived.hex() == vector["okm"]
