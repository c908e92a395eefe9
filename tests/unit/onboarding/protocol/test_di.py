"""DI: both roles joined, and every single wrong thing."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from onboarding.protocol.registry import DI
from onboarding.protocol.step import StoreVoucher
from onboarding.wire.di import AppStart
from onboarding.wire.message import MsgType
from ownership_vouchers import cbor
from ownership_vouchers.keys import KeyType
from ownership_vouchers.verify import verify
from tests.support.alterations import NO_CBOR, Alteration, change, flip, put
from tests.support.refusals import code_of
from tests.support.short_roles import BOARD, CHAIN, INFO, SECRET, di, request_for

M = MsgType


def test_di_ends_with_a_voucher_and_the_credential_that_goes_with_it() -> None:
    pair = di()
    credential = pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, StoreVoucher)
    assert (effect.serial, effect.board) == ("SN-1", BOARD)
    voucher = effect.voucher
    verify(
        voucher,
        hmac_secret=SECRET,
        mfg_key_hash=credential.manufacturer_hash,
        device_roots=[CHAIN.device_root],
    )
    assert credential.guid == voucher.guid
    assert credential.device_info == "test-board"
    assert credential.rv_info == CHAIN.rv_info.raw


def test_an_empty_device_info_is_replaced_by_the_serial() -> None:
    assert di(info=replace(INFO, device_info="")).run().device_info == "SN-1"


def test_each_di_run_draws_its_own_guid() -> None:
    assert len({di().run().guid for _ in range(5)}) == 5


@pytest.mark.parametrize("unwrapped", [True, False])
def test_mfg_info_is_taken_in_the_forms_peers_write(unwrapped: bool) -> None:
    fields = [*INFO.to_item()[:5], b"\0\1\2\3\4\5", b"more", None]
    item = fields if unwrapped else cbor.encode(fields)
    di({M.DI_APP_START: lambda _body: cbor.encode([item])}).run()


def info(**changed: Any) -> Alteration:
    body = AppStart(replace(INFO, **changed)).encode()
    return lambda _body: body


def item(position: int, value: object) -> Alteration:
    fields = INFO.to_item()
    fields[position] = value
    body = cbor.encode([cbor.encode(fields)])
    return lambda _body: body


P384_REQUEST = request_for(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384)
DI_CASES: dict[str, tuple[MsgType, Alteration, int]] = {
    "no certificate request": (M.DI_APP_START, info(csr=b""), 101),
    "request not DER": (M.DI_APP_START, info(csr=b"\x30\x03abc"), 100),
    "request signature changed": (M.DI_APP_START, info(csr=flip(INFO.csr)), 101),
    "request for Ed25519": (
        M.DI_APP_START,
        info(csr=request_for(ed25519.Ed25519PrivateKey.generate(), None)),
        101,
    ),
    "request for a weak RSA key": (
        M.DI_APP_START,
        info(csr=request_for(rsa.generate_private_key(65537, 1024))),  # noqa: S505
        101,
    ),
    "request for a curve not in FDO": (
        M.DI_APP_START,
        info(csr=request_for(ec.generate_private_key(ec.SECP521R1()))),
        101,
    ),
    "manufacturer key we lack": (
        M.DI_APP_START,
        info(key_type=KeyType.SECP384R1),
        101,
    ),
    "unknown key type": (M.DI_APP_START, item(0, 2), 101),
    "unknown key encoding": (M.DI_APP_START, item(1, 0), 101),
    "key type not a number": (M.DI_APP_START, item(0, "10"), 100),
    "serial not a text": (M.DI_APP_START, item(2, b"SN"), 100),
    "serial over 128 characters": (M.DI_APP_START, item(2, "x" * 129), 100),
    "serial with a line end": (M.DI_APP_START, item(2, "SN\n1"), 101),
    "no serial and no device info": (
        M.DI_APP_START,
        info(serial="", device_info=""),
        101,
    ),
    "only a serial number": (M.DI_APP_START, put(cbor.encode("SN-1"), 0), 101),
    "no MfgInfo": (M.DI_APP_START, put(None, 0), 500),
    "MfgInfo not an array": (M.DI_APP_START, put(cbor.encode({}), 0), 100),
    "board without endorsement key": (M.DI_APP_START, item(6, {1: "p"}), 100),
    "header of another version": (
        M.DI_SET_CREDENTIALS,
        change(put(100, 0), 0),
        101,
    ),
    "header cut short": (M.DI_SET_CREDENTIALS, change(lambda old: old[:-1], 0), 100),
    "HMAC is a hash": (M.DI_SET_HMAC, put(-16, 0, 0), 100),
    "HMAC too short": (M.DI_SET_HMAC, put(bytes(31), 0, 1), 100),
}


@pytest.mark.parametrize("name", DI_CASES)
def test_one_wrong_thing_ends_di_with_its_code(name: str) -> None:
    kind, alteration, code = DI_CASES[name]
    pair = di({kind: alteration})
    assert code_of(pair.run) == code
    assert pair.effects == []


@pytest.mark.parametrize("wrong", NO_CBOR)
@pytest.mark.parametrize("kind", [M.DI_APP_START, M.DI_SET_CREDENTIALS, M.DI_SET_HMAC])
def test_what_is_no_such_message_is_error_100(kind: MsgType, wrong: str) -> None:
    alter = {kind: NO_CBOR[wrong]}
    assert code_of(di(alter).run) == 100


def test_messages_without_their_place_are_refused() -> None:
    pair = di()
    move = pair.client.start()
    for _ in range(2):
        state = pair.state and DI.decode_state(pair.state)
        for msg in set(MsgType) - {move.type}:
            step = partial(DI.step, state, msg, b"", pair.env)
            assert code_of(step) == 101
        move = pair.client.receive(*pair.serve(move.type, move.body))


@pytest.mark.parametrize("wrong", sorted(set(NO_CBOR) - {"an item too few"}))
def test_done_is_an_empty_array_and_nothing_else(wrong: str) -> None:
    assert code_of(di({M.DI_DONE: NO_CBOR[wrong]}).run) == 100
