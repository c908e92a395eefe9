"""Claims of a device's token, as ours and others write them."""

import pytest

from onboarding.wire.common import Eat
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid

NONCE, GUID = b"n" * 16, Guid(b"g" * 16)
UEID = b"\x01" + GUID.raw


@pytest.mark.parametrize("label", [256, 11])
def test_the_ueid_is_read_by_its_label_and_by_that_of_a_draft(label: int) -> None:
    read = Eat.from_payload(cbor.encode({10: NONCE, label: UEID}))
    assert read == Eat(NONCE, GUID)
    assert cbor.decode(read.payload()) == {10: NONCE, 256: UEID}


@pytest.mark.parametrize(
    "claims",
    [
        {10: NONCE},
        {10: NONCE, 256: UEID, 11: UEID},
        {10: NONCE, 11: b"\x02" + GUID.raw},
        {10: NONCE, 11: UEID[:16]},
        {11: UEID},
    ],
)
def test_a_token_has_one_nonce_and_one_ueid_that_is_the_guid(
    claims: dict[int, bytes],
) -> None:
    with pytest.raises(MalformedError):
        Eat.from_payload(cbor.encode(claims))
