"""Recorded runs replayed against our device role, and TO0 against our owner.

The answers are the recorded ones; what we say must be what the recorded device
said, except ECDSA signatures (verified instead), IVs, and devmod's own words.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from hw.keys import SoftHmac
from onboarding.protocol.device_env import (
    DeviceCredential,
    DiDeviceEnv,
    Onboarded,
    To0OwnerEnv,
    To1DeviceEnv,
    To2DeviceEnv,
)
from onboarding.protocol.di_device import DiDevice
from onboarding.protocol.kex import Shared, session_key
from onboarding.protocol.modules import Message
from onboarding.protocol.step import Finished, Send
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.protocol.tunnel import Tunnel
from onboarding.wire.di import AppStart
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, OwnerServiceInfo
from onboarding.wire.to0 import OwnerSign, To1dPayload
from onboarding.wire.to2 import HelloDevice, ProveDevice
from ownership_vouchers import cbor
from ownership_vouchers.cose import Sign1
from ownership_vouchers.to2_address import to2_addresses_from_item
from ownership_vouchers.types import Hash, HashType
from tests.support.fdo_roles import FACTS, KeepingModule
from tests.support.transcripts import CTR256, EVERY, FSIMS, Drawn, Transcript, items

WITH_RENDEZVOUS = tuple(name for name in EVERY if name != CTR256)
_SHORT = (10, 1)  # key types of the 128-bit strength class


def mac_key(record: Transcript) -> SoftHmac:
    kind = 5 if record.data["params"]["device_key_type"] in _SHORT else 6
    return SoftHmac(record.device("hmac_secret"), kind)


def credential(record: Transcript, when: str) -> DeviceCredential:
    raw = record.device(f"credential_{when}")
    _, device_info, guid, _, key_hash = items(raw)
    rv_info = cbor.split(raw)[3]
    kind = Hash.from_item(key_hash)
    return DeviceCredential(
        type(record.voucher("after_di").guid)(guid), device_info, rv_info, kind
    )


def replay(client: Any, record: Transcript, protocol: str) -> tuple[list[Send], object]:
    """Give a client the recorded answers; return what it said and ended with."""
    sent = [client.start()]
    answers = [one for one in record.messages(protocol) if not one.request]
    for answer in answers:
        move = client.receive(answer.type, answer.wire)
        if isinstance(move, Finished):
            return sent, move.result
        sent.append(move)
    raise AssertionError("the record ended first")


@pytest.mark.parametrize("name", EVERY)
def test_device_ends_di_with_the_recorded_credential(name: str) -> None:
    record = Transcript(name)
    start, _, set_hmac, _ = record.messages("di")
    info = AppStart.from_cbor(start.wire).mfg_info
    sent, result = replay(DiDevice(DiDeviceEnv(info, mac_key(record))), record, "di")
    assert [one.body for one in sent] == [start.wire, set_hmac.wire]
    assert result == credential(record, "after_di")


@pytest.mark.parametrize("name", WITH_RENDEZVOUS)
def test_owner_registers_as_recorded(name: str) -> None:
    record = Transcript(name)
    theirs = OwnerSign.from_cbor(record.one(MsgType.TO0_OWNER_SIGN).wire)
    payload = To1dPayload.from_cbor(theirs.signed.payload)
    env = To0OwnerEnv(
        record.voucher("for_owner"),
        record.signer("owner"),
        to2_addresses_from_item(payload.addresses),
        3600,
    )
    sent, granted = replay(To0Owner(env), record, "to0")
    ours = OwnerSign.from_cbor(sent[1].body)
    assert ours.to0d == theirs.to0d
    assert ours.signed.payload == theirs.signed.payload
    ours.signed.verify(env.voucher.owner_key.key)
    assert granted == 3600


@pytest.mark.parametrize("name", WITH_RENDEZVOUS)
def test_device_finds_its_owner_as_recorded(name: str) -> None:
    record = Transcript(name)
    ask, _, prove, redirect = record.messages("to1")
    voucher, signer = record.voucher("for_owner"), record.signer("device")
    sent, to1d = replay(To1Device(To1DeviceEnv(voucher.guid, signer)), record, "to1")
    assert sent[0].body == ask.wire
    ours, theirs = Sign1.from_cbor(sent[1].body), Sign1.from_cbor(prove.wire)
    assert ours.payload == theirs.payload
    ours.verify(voucher.device_key)
    assert to1d == redirect.wire


def device_env(record: Transcript, modules: tuple[KeepingModule, ...]) -> To2DeviceEnv:
    hello = HelloDevice.from_cbor(record.one(MsgType.TO2_HELLO_DEVICE).wire)
    prove = ProveDevice.from_cbor(record.one(MsgType.TO2_PROVE_DEVICE).wire)
    redirect = record.of(MsgType.TO1_RV_REDIRECT)
    return To2DeviceEnv(
        credential=credential(record, "after_di"),
        device_key=record.signer("device"),
        mac_key=mac_key(record),
        random=Drawn(
            hello.nonce,
            prove.nonce,
            *record.kex_drawn("device"),
            iv_size=record.iv_drawn,
        ),
        devmod=FACTS,
        modules=modules,
        to1d=redirect[0].wire if redirect else None,
        kex=record.suite,
        cipher=record.cipher,
        **record.kex_keys("device"),
    )


def answers_of(record: Transcript) -> dict[str, list[Message]]:
    """Return what each recorded device module said, ``active`` aside."""
    said: dict[str, list[Message]] = {}
    for one in record.of(MsgType.TO2_DEVICE_SERVICE_INFO):
        for key, value in DeviceServiceInfo.from_cbor(one.plain).kvs:
            name, _, what = key.partition(":")
            if name != "devmod" and what != "active":
                said.setdefault(name, []).append((what, value))
    return said


def recorded_modules(record: Transcript) -> tuple[KeepingModule, ...]:
    """Modules that give the recorded answers after the message that asks."""
    triggers = {
        "fdo.download": ("data", 2),
        "fdo.upload": ("name", 1),
        "fdo.command": ("execute", 1),
        "fdo.wget": ("url", 1),
    }

    def module(name: str, said: list[Message]) -> KeepingModule:
        trigger, times = triggers[name]
        seen: list[str] = []

        def answer(message: str, _value: bytes) -> Iterable[Message]:
            seen.append(message)
            ready = message == trigger and seen.count(trigger) == times
            return said if ready else []

        return KeepingModule(name, lambda what, value: list(answer(what, value)))

    return tuple(module(name, said) for name, said in answers_of(record).items())


def claims(record: Transcript, signed: Sign1) -> object:
    """What 64 says; what is encrypted to the owner, which is random, opened."""
    if record.data["params"]["kex_suite"] != "ASYMKEX2048":
        return signed.payload
    told = dict(items(signed.payload))
    decrypter = record.signer("owner").decrypter
    assert decrypter is not None
    told[-257] = [decrypter.decrypt(one) for one in told[-257]]
    return told


@pytest.mark.parametrize("name", EVERY)
def test_device_runs_to2_as_recorded(name: str) -> None:
    record = Transcript(name)
    modules = recorded_modules(record)
    sent, result = replay(To2Device(device_env(record, modules)), record, "to2")
    by_type: dict[MsgType, list[bytes]] = {}
    for one in sent:
        by_type.setdefault(one.type, []).append(one.body)
    for kind in (MsgType.TO2_HELLO_DEVICE, MsgType.TO2_GET_OV_NEXT_ENTRY):
        assert by_type[kind] == [one.wire for one in record.of(kind)]

    (prove,) = by_type[MsgType.TO2_PROVE_DEVICE]
    ours, theirs = (
        Sign1.from_cbor(one, tagged=True)
        for one in (prove, record.one(MsgType.TO2_PROVE_DEVICE).wire)
    )
    assert ours.unprotected == theirs.unprotected
    assert claims(record, ours) == claims(record, theirs)
    ours.verify(record.voucher("for_owner").device_key)

    context = record.session("context_rand")
    shared = Shared(record.session("shared_secret"), context)
    tunnel = Tunnel(record.cipher, session_key(record.cipher, shared))
    for kind in (MsgType.TO2_DEVICE_SERVICE_INFO_READY, MsgType.TO2_DONE):
        (body,) = by_type[kind]
        assert tunnel.open(body) == record.one(kind).plain

    assert isinstance(result, Onboarded)
    assert result.credential == credential(record, "after_to2")
    assert result.hmac_type is HashType(mac_key(record).hash_type)


def test_device_modules_hear_what_the_recorded_owner_said() -> None:
    record = Transcript(FSIMS)
    modules = recorded_modules(record)
    replay(To2Device(device_env(record, modules)), record, "to2")
    said = [
        (key, value)
        for one in record.of(MsgType.TO2_OWNER_SERVICE_INFO)
        for key, value in OwnerServiceInfo.from_cbor(one.plain).kvs
        if not key.endswith(":active")
    ]
    heard = [
        (f"{module.name}:{what}", value)
        for module in sorted(modules, key=lambda one: _order(said, one.name))
        for what, value in module.received
    ]
    assert heard == said


def _order(said: list[Message], name: str) -> int:
    return next(i for i, (key, _) in enumerate(said) if key.startswith(f"{name}:"))
