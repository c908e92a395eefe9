"""Message 255 in every form that peers write."""

import pytest
from cbor2 import CBORTag

from onboarding.wire.error import ErrorMessage
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

HEAD: list[object] = [101, 64, "refused"]
TIMES: list[tuple[object, int | None]] = [
    (None, None),
    (1_800_000_000, 1_800_000_000),
    (CBORTag(1, 1_800_000_000), 1_800_000_000),
    (CBORTag(0, "2027-01-15T08:00:00Z"), None),
]


@pytest.mark.parametrize(("written", "read"), TIMES)
@pytest.mark.parametrize("correlation", [None, 7, b"old drafts"])
def test_times_and_correlations_are_taken_in_every_form(
    written: object, read: int | None, correlation: object
) -> None:
    data = cbor.encode([*HEAD, written, correlation])
    message = ErrorMessage.from_cbor(data)
    assert (message.code, message.previous, message.text) == (101, 64, "refused")
    assert message.timestamp == read
    assert message.correlation == (7 if correlation == 7 else None)


@pytest.mark.parametrize(
    "tail",
    [
        *([CBORTag(2, b""), None], [CBORTag(0, 1), None], [-1, None], ["now", None]),
        *([None, "text"], [None, -1], [None, 1.5]),
    ],
)
def test_other_forms_are_malformed(tail: list[object]) -> None:
    with pytest.raises(MalformedError):
        ErrorMessage.from_cbor(cbor.encode([*HEAD, *tail]))


def test_of_a_peers_long_words_the_beginning_is_kept() -> None:
    data = cbor.encode([500, 1, "x" * 5000, None, None])
    assert ErrorMessage.from_cbor(data).text == "x" * 2048


def test_a_code_that_we_do_not_know_is_kept() -> None:
    data = cbor.encode([999, 1, "", None, None])
    assert ErrorMessage.from_cbor(data).code == 999
