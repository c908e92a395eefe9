"""Every message that go-fdo's records hold, whatever the keys and suites.

Decoding, signatures, hashes, HMACs and nonces: what can be held against a record
without its key exchange. The whole of TO2 is replayed beside the roles' own tests.
"""

from collections.abc import Iterator

import pytest

from onboarding.protocol import to0_rendezvous, to1_rendezvous
from onboarding.protocol.env import To0RendezvousEnv, To1RendezvousEnv
from onboarding.protocol.registration import Registration, Terms
from onboarding.protocol.step import StoreRegistration
from onboarding.wire.message import MsgType as M
from onboarding.wire.to0 import AcceptOwner, HelloAck
from onboarding.wire.to1 import HelloRv, HelloRvAck
from onboarding.wire.to2 import HelloDevice, OvNextEntry, ProveDevice, ProveOvHdr
from onboarding.wire.to2_secure import Done, Done2, SetupDevice
from ownership_vouchers.types import Hash
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import decode_hmac
from tests.support.fdo_roles import NOW
from tests.support.message_vectors import DECODERS
from tests.support.transcripts import VECTORS, Drawn, Recorded, Transcript

NAMES = sorted(
    path.stem.removeprefix("transcript_") for path in VECTORS.glob("transcript_*.json")
)
DIRECTED = [name for name in NAMES if not name.endswith("bypass")]  # by rendezvous
LISTS = ("di", "to0", "to1", "to1_before_to0_error", "to2")


def recorded(name: str) -> Iterator[Recorded]:
    record = Transcript(name)
    for protocol in LISTS:
        if protocol in record.data:
            yield from record.messages(protocol)


def test_there_are_six_records() -> None:
    assert len(NAMES) == 6
    assert len(DIRECTED) == 5


@pytest.mark.parametrize("name", NAMES)
def test_every_message_is_read_and_written_again_byte_for_byte(name: str) -> None:
    for one in recorded(name):
        message = DECODERS[one.type](one.plain)
        assert message.encode() == one.plain, one.type  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_every_voucher_holds(name: str) -> None:
    record = Transcript(name)
    secret = record.device("hmac_secret")
    kept = ("after_di", "for_owner", "after_to2")
    vouchers = [
        record.voucher(when) for when in kept if f"voucher_{when}" in record.data
    ]
    assert len(vouchers) == 3
    for voucher in vouchers:
        verify(voucher, hmac_secret=secret)


@pytest.mark.parametrize("name", DIRECTED)
def test_a_rendezvous_server_answers_as_recorded(name: str) -> None:
    record = Transcript(name)
    _, ack, sign, accept = record.messages("to0")
    granted = AcceptOwner.from_cbor(accept.wire).wait_seconds
    terms = Terms(maximum=granted, usual=granted)
    env = To0RendezvousEnv(NOW, Drawn(), lambda _guid: None, terms)
    state = to0_rendezvous.AwaitingSign(HelloAck.from_cbor(ack.wire).nonce)
    step = to0_rendezvous.step(state, M.TO0_OWNER_SIGN, sign.wire, env)
    assert step.reply == accept.wire
    (effect,) = step.effects
    assert isinstance(effect, StoreRegistration)
    _device_is_sent_on(record, effect.registration)


def _device_is_sent_on(record: Transcript, kept: Registration) -> None:
    hello, ack, prove, redirect = record.messages("to1")
    nonce = HelloRvAck.from_cbor(ack.wire).nonce
    env = To1RendezvousEnv(Drawn(nonce), lambda _guid: kept)
    opened = to1_rendezvous.step(None, M.TO1_HELLO_RV, hello.wire, env)
    assert opened.reply == ack.wire
    state = to1_rendezvous.AwaitingProof(HelloRv.from_cbor(hello.wire).guid, nonce)
    step = to1_rendezvous.step(state, M.TO1_PROVE_TO_RV, prove.wire, env)
    assert step.reply == redirect.wire


@pytest.mark.parametrize("name", NAMES)
def test_every_signature_hash_and_nonce_of_to2_holds(name: str) -> None:
    record = Transcript(name)
    voucher = record.voucher("for_owner")
    hello = HelloDevice.from_cbor(record.one(M.TO2_HELLO_DEVICE).wire)
    proof = ProveOvHdr.from_cbor(record.one(M.TO2_PROVE_OV_HDR).wire)
    proof.signed.verify(voucher.owner_key.key)
    claimed = proof.payload.hello_hash
    assert claimed.same(Hash.of(claimed.type, record.one(M.TO2_HELLO_DEVICE).wire))
    assert proof.payload.nonce == hello.nonce
    assert proof.payload.header == voucher.header.raw
    assert decode_hmac(proof.payload.hmac_raw).same(voucher.hmac)
    shown = [OvNextEntry.from_cbor(one.wire) for one in record.of(M.TO2_OV_NEXT_ENTRY)]
    assert [one.entry for one in shown] == [one.raw for one in voucher.entries]
    device = ProveDevice.from_cbor(record.one(M.TO2_PROVE_DEVICE).wire)
    device.signed.verify(voucher.device_key)
    assert (device.eat.nonce, device.eat.guid) == (proof.nonce, voucher.guid)
    setup = SetupDevice.from_cbor(record.one(M.TO2_SETUP_DEVICE).plain)
    setup.signed.verify(setup.payload.owner_key.key)
    assert setup.payload.nonce == device.nonce
    assert Done.from_cbor(record.one(M.TO2_DONE).plain).nonce == proof.nonce
    assert Done2.from_cbor(record.one(M.TO2_DONE2).plain).nonce == device.nonce
