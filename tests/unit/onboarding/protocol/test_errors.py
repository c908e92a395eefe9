"""What the peer is told when a run ends."""

import json

import pytest

from onboarding.protocol import errors
from onboarding.protocol.clients import expect
from onboarding.protocol.modules import ModuleResult
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers import errors as voucher_errors
from ownership_vouchers.errors import Check, CheckFailed
from tests.support.transcripts import VECTORS

FAILED = ModuleResult("m", ok=False, detail="secret detail")
CODES: list[tuple[Exception, int]] = [
    (errors.TokenRefused("x"), 1),
    (errors.StationRefused("x"), 1),
    (errors.VoucherRefused("x"), 2),
    (CheckFailed(Check.ENTRIES, "x"), 2),
    (errors.OwnerSignRefused("x"), 3),
    (errors.AddressRefused("x"), 4),
    (errors.GuidRefused("x"), 5),
    (errors.NotFound("x"), 6),
    (errors.NotServed("x"), 6),
    (voucher_errors.MalformedError("x"), 100),
    (voucher_errors.DecryptError("x"), 100),
    (errors.MessageRefused("x"), 101),
    (errors.ModuleFailed("x"), 101),
    (errors.ModuleStopped("m", "x"), 500),
    (errors.UnexpectedMessage("x"), 101),
    (errors.Unsupported("x"), 101),
    (errors.RequiredModuleFailed(FAILED, (FAILED,)), 101),
    (voucher_errors.SignatureError("x"), 101),
    (voucher_errors.UnsupportedKeyError("x"), 101),
    (errors.ReuseRefused("x"), 102),
    (errors.DeviceUnsupported("x"), 500),
    (errors.ProtocolError("x"), 500),
    (RuntimeError("secret"), 500),
]


@pytest.mark.parametrize(
    ("error", "code"), CODES, ids=lambda one: type(one).__name__ if one else None
)
def test_each_error_has_its_code_and_a_text_without_its_cause(
    error: Exception, code: int
) -> None:
    body = errors.error_message(error, 64, 1_800_000_000, 77)
    message = ErrorMessage.from_cbor(body)
    assert (message.code, message.previous) == (code, 64)
    assert (message.timestamp, message.correlation) == (1_800_000_000, 77)
    assert str(error) not in message.text.split()
    assert "secret" not in message.text


def test_a_device_is_told_which_required_module_failed_but_not_why() -> None:
    error = errors.RequiredModuleFailed(FAILED, (FAILED,))
    body = errors.error_message(error, 68, 1_800_000_000)
    text = ErrorMessage.from_cbor(body).text
    assert FAILED.name in text
    assert FAILED.detail not in text


def test_an_owner_is_told_which_module_of_the_device_ended_the_run() -> None:
    body = errors.error_message(errors.ModuleStopped("m", "secret"), 69, 0)
    assert ErrorMessage.from_cbor(body).text == "ServiceInfo module m failed"


def test_every_error_class_of_the_protocol_is_in_the_table() -> None:
    tested = {type(error) for error, _ in CODES} | {errors.PeerFailed}
    assert set(_subclasses(errors.ProtocolError)) <= tested
    assert set(_subclasses(voucher_errors.VoucherError)) <= tested


def _subclasses(root: type[Exception]) -> list[type[Exception]]:
    """Those of the core; what services derive from them is theirs to test."""
    core = ("onboarding.protocol.", "onboarding.wire.", "ownership_vouchers.")
    direct = [one for one in root.__subclasses__() if one.__module__.startswith(core)]
    return direct + [below for one in direct for below in _subclasses(one)]


def test_a_message_number_out_of_range_is_told_as_0() -> None:
    body = errors.error_message(errors.NotFound("x"), 999, 0)
    assert ErrorMessage.from_cbor(body).previous == 0


def test_timestamp_and_correlation_are_bare_numbers() -> None:
    """One implementation cannot read a 255 whose timestamp is null or tagged."""
    body = errors.error_message(errors.NotFound("x"), 30, 5)
    assert body.endswith(b"\x05\x00")


def test_every_recorded_255_of_another_implementation_is_read() -> None:
    exchanges = json.loads((VECTORS / "errors.json").read_text())["exchanges"]
    bodies = [bytes.fromhex(one["wire"]) for one in exchanges if one["type"] == 255]
    assert len(bodies) > 3
    assert all(ErrorMessage.from_cbor(one).timestamp for one in bodies)


def test_an_error_of_the_peer_ends_a_clients_run() -> None:
    body = errors.error_message(errors.NotFound("x"), 30, 5)
    with pytest.raises(errors.PeerFailed, match="error 6 to message 30") as failed:
        expect(MsgType.TO1_HELLO_RV_ACK, MsgType.ERROR, body)
    assert failed.value.message.code == 6


def test_an_answer_of_another_type_ends_a_clients_run() -> None:
    with pytest.raises(errors.UnexpectedMessage):
        expect(MsgType.DI_DONE, MsgType.TO2_DONE2, b"\x80")
