"""Messages out of their order, repeated, or under a token that is not theirs.

Source: FDO.md 2.10 in our reference; FDO 1.1, section 4.3.
"""

import secrets

import pytest

from onboarding.protocol.registry import ROLES, ServerRole
from onboarding.protocol.step import Finished, ProtocolVersion, Send
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo
from tests.support.alterations import change, flip
from tests.support.certified_runs import RUNS, Run, run_of
from tests.support.certifier import Certifier

pytestmark = pytest.mark.sqlite_first

SERVERS = {role.name: role for role in ROLES[ProtocolVersion.FDO_1_1]}
REQUESTS = sorted(kind for role in SERVERS.values() for kind in role.messages)
OPENING = {role.opening for role in SERVERS.values()}
LATER = [kind for kind in REQUESTS if kind not in OPENING]
_62, _64 = MsgType.TO2_GET_OV_NEXT_ENTRY, MsgType.TO2_PROVE_DEVICE
_68, _70 = MsgType.TO2_DEVICE_SERVICE_INFO, MsgType.TO2_DONE
PLACES = {_62: {_62, _64}, _64: {_62, _64}, _70: {_68, _70}}  # else one at a time
STRAY = (0, 9, 14, 24, 34, 59, 72, 99, 100, 210, 254)  # in no registry of FDO 1.1


def expected(role: ServerRole, number: int) -> int:
    """The code for a message that has no place, with an empty body.

    A token of one protocol is none of another; an opening message is read whatever
    token comes with it; nobody takes what only servers send.
    """
    if number in OPENING:
        return 100
    return 1 if number in REQUESTS and number not in role.messages else 101


@pytest.mark.parametrize("name", RUNS)
def test_a_message_out_of_its_order_changes_nothing(
    bench: Certifier, name: str
) -> None:
    """Every message type is tried before every message of a run, which then passes."""
    role, run = SERVERS[name], RUNS[name](bench)
    run.talk.send()
    while isinstance(run.talk.next, Send):
        right = PLACES.get(run.talk.next.type, {run.talk.next.type})
        before = bench.stored()
        for number in (*sorted(set(MsgType) - right - {MsgType.ERROR}), *STRAY):
            answer = bench.post(number, b"", run.talk.token)
            assert (answer.status, answer.code) == (500, expected(role, number)), number
        assert bench.stored() == before
        run.talk.send()


# A second hello opens a second run, an entry may be asked for again, and the device's
# HMAC is taken again: its answer, lost, would leave a voucher without a device.
_12 = MsgType.DI_SET_HMAC
REPEATED = {**dict.fromkeys(OPENING, 200), _12: 200, _62: 200}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_replayed_message_is_refused_and_changes_nothing(
    bench: Certifier, kind: MsgType
) -> None:
    run = run_of(kind)(bench)
    move = run.talk.until(kind)
    token = run.talk.token
    answer = run.talk.send()
    after = bench.stored()
    again = bench.post(kind, move.body, token or run.talk.token)
    assert again.status == REPEATED.get(kind, 500)
    assert again.code == (None if kind in REPEATED else 101)
    assert bench.stored() == after
    if kind in (_12, _62):
        assert again.body == answer.body
    if kind in OPENING:
        assert again.token not in (None, run.talk.token)
    run.talk.finish()


@pytest.mark.both
@pytest.mark.parametrize("kind", LATER)
def test_a_message_of_a_finished_run_is_refused(
    bench: Certifier, kind: MsgType
) -> None:
    run = run_of(kind)(bench)
    move = run.talk.until(kind)
    run.talk.finish()
    after = bench.stored()
    if kind in (_12, _62):
        return  # answered as before, and nothing moves: see the test above
    answer = bench.post(kind, move.body, run.talk.token)
    assert (answer.status, answer.code) == (500, 101)
    assert bench.stored() == after


def test_another_hmac_under_the_token_of_a_finished_di_changes_nothing(
    bench: Certifier,
) -> None:
    run = run_of(_12)(bench)
    move = run.talk.until(_12)
    run.talk.finish()
    after = bench.stored()
    other = change(flip, 0, 1)(move.body)
    answer = bench.post(_12, other, run.talk.token)
    assert (answer.status, answer.code) == (500, 101)
    assert bench.stored() == after


def broken(token: str) -> str:
    """The token with another letter in the middle."""
    at = len(token) // 2
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def foreign(bench: Certifier, kind: MsgType) -> str | None:
    """A good token of another protocol."""
    other = RUNS["TO1" if int(kind) // 10 != 3 else "TO0"](bench)
    other.talk.send()
    return other.talk.token


TOKENS = ("none", "empty", "nonsense", "changed", "cut", "of another protocol")


def token_of(bench: Certifier, run: Run, kind: MsgType, how: str) -> str | None:
    good = run.talk.token or ""
    made: dict[str, str | None] = {
        "none": None,
        "empty": "Bearer ",
        "nonsense": f"Bearer {secrets.token_urlsafe(90)}",
        "changed": broken(good),
        "cut": good[:-4],
    }
    return made[how] if how in made else foreign(bench, kind)


@pytest.mark.parametrize("how", TOKENS)
@pytest.mark.parametrize("kind", LATER)
def test_a_wrong_token_is_error_1(bench: Certifier, kind: MsgType, how: str) -> None:
    run = run_of(kind)(bench)
    move = run.talk.until(kind)
    wrong, before = token_of(bench, run, kind, how), bench.stored()
    answer = bench.post(kind, move.body, wrong)
    assert (answer.status, answer.code) == (500, 1)
    assert bench.stored() == before
    run.talk.finish()


@pytest.mark.both
@pytest.mark.parametrize("kind", LATER)
def test_an_expired_token_is_error_1(bench: Certifier, kind: MsgType) -> None:
    run = run_of(kind)(bench)
    move = run.talk.until(kind)
    before = bench.stored()
    bench.clock.now += 3601  # over the longest life of a run
    answer = bench.post(kind, move.body, run.talk.token)
    assert (answer.status, answer.code) == (500, 1)
    assert bench.stored() == before


# A token of another run of the same protocol: what gives the message away. An HMAC
# is one of any header for all that a factory can tell, and an entry is no secret.
ANOTHER_RUN = {
    MsgType.TO0_OWNER_SIGN: 101,
    MsgType.TO1_PROVE_TO_RV: 101,
    MsgType.TO2_PROVE_DEVICE: 101,
    MsgType.TO2_DEVICE_SERVICE_INFO_READY: 100,
    MsgType.TO2_DEVICE_SERVICE_INFO: 100,
    MsgType.TO2_DONE: 100,
}


@pytest.mark.parametrize("kind", ANOTHER_RUN)
def test_a_message_under_the_token_of_another_run_is_refused(
    bench: Certifier, kind: MsgType
) -> None:
    first, second = run_of(kind)(bench), run_of(kind)(bench)
    first.talk.until(kind)
    move = second.talk.until(kind)
    before = bench.stored()
    answer = bench.post(kind, move.body, first.talk.token)
    assert (answer.status, answer.code) == (500, ANOTHER_RUN[kind])
    assert bench.stored() == before
    if ANOTHER_RUN[kind] == 100:
        first.talk.finish()
    else:  # it was the one proof that the first may try
        own = first.talk.next
        assert isinstance(own, Send)
        assert bench.post(kind, own.body, first.talk.token).code == 101
    second.talk.finish()


@pytest.mark.both
def test_an_error_of_the_peer_ends_a_run_that_proved_nothing(bench: Certifier) -> None:
    run = RUNS["TO1"](bench)
    run.talk.send()
    own = run.talk.next
    assert isinstance(own, Send)
    said = bench.post(255, b"\x85\x18\x1f\x18\x64\x60\x00\x00", run.talk.token)
    assert said.status == 200
    assert bench.post(own.type, own.body, run.talk.token).code == 101


def test_a_token_may_come_without_its_scheme(bench: Certifier) -> None:
    """Some peers echo it so; the bare word is not a token of nobody."""
    run = RUNS["TO1"](bench)
    run.talk.send()
    assert run.talk.token is not None
    run.talk.token = run.talk.token.removeprefix("Bearer ")
    run.talk.send()
    assert isinstance(run.talk.next, Finished)


def test_nothing_begins_anew_after_all_was_said(bench: Certifier) -> None:
    """The owner has said IsDone, and the device has more ServiceInfo to come."""
    run = run_of(_70)(bench)
    tunnel = run.tunnel(run.talk.until(_70))
    before = bench.stored()
    anew = DeviceServiceInfo(True, (("devmod:active", b"\xf5"),)).encode()
    body = tunnel.seal(anew, secrets.token_bytes, 1 << 31)
    assert bench.post(_68, body, run.talk.token).code == 101
    assert bench.stored() == before
