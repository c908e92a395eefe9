"""Kept runs answer for exactly their token, in time, and for a bounded number."""

from dataclasses import replace

from onboarding.protocol.to2_states import AwaitingReady, Session
from onboarding.protocol.tunnel import Tunnel
from onboarding.services.warm_runs import FailedProofs, Run, WarmRuns, key_of
from onboarding.wire.to2_secure import SetupDevicePayload
from ownership_vouchers.encrypt0 import Aead
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.rendezvous import RendezvousInfo
from ownership_vouchers.types import Guid
from tests.support.documents import SIGNER

NOW = 1_800_000_000
OFFER = SetupDevicePayload(
    RendezvousInfo.build([{"dns": "rv.example"}]),
    Guid(bytes(16)),
    bytes(16),
    PublicKey.of(SIGNER.public_key),
)
TUNNEL = Tunnel(Aead.A128GCM, bytes(16))
STATE = AwaitingReady(Session(Guid(bytes(16)), bytes(16), TUNNEL, OFFER, False, 0))
RUN = Run(key_of("TO2", "token"), bytes(16), STATE, 0, NOW + 1)


def test_a_kept_run_is_found_by_its_whole_token_and_protocol() -> None:
    runs = WarmRuns()
    runs.put(RUN)
    assert runs.get(key_of("TO2", "token"), NOW) is RUN
    assert runs.get(key_of("TO2", "toke"), NOW) is None
    assert runs.get(key_of("TO1", "token"), NOW) is None


def test_a_token_may_hold_any_bytes() -> None:
    assert key_of("TO2", "\xff\udc80") != key_of("TO2", "\xff")


def test_a_run_is_gone_when_its_token_expires() -> None:
    runs = WarmRuns()
    runs.put(RUN)
    assert runs.get(RUN.key, NOW + 1) is None


def test_where_a_run_stands_later_takes_the_place_of_where_it_stood() -> None:
    runs = WarmRuns()
    runs.put(RUN)
    runs.put(replace(RUN, step=1))
    found = runs.get(RUN.key, NOW)
    assert found is not None
    assert found.step == 1


def test_a_run_that_ended_is_forgotten() -> None:
    runs = WarmRuns()
    runs.put(RUN)
    runs.drop(RUN.key)
    runs.drop(b"of no run")
    assert runs.get(RUN.key, NOW) is None


def test_the_least_recently_moved_runs_go_first() -> None:
    runs = WarmRuns(size=2)
    named = [replace(RUN, key=bytes([number])) for number in range(4)]
    for run in (*named[:3], named[1], named[3]):
        runs.put(run)
    found = [runs.get(run.key, NOW) for run in named]
    assert found == [None, named[1], None, named[3]]


def test_neither_states_nor_keys_show_in_a_log() -> None:
    runs = WarmRuns()
    runs.put(RUN)
    assert repr(runs) == "WarmRuns(1)"
    assert "state" not in repr(RUN)
    assert "key" not in repr(RUN)


def test_failed_proofs_are_remembered_up_to_a_number() -> None:
    failed = FailedProofs(size=2)
    for name in (b"first", b"second", b"third"):
        failed.add(name)
    assert [name in failed for name in (b"first", b"second", b"third")] == [
        False,
        True,
        True,
    ]
