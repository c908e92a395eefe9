"""Runs between messages: what is stored, what a copy of a message gets."""

import pytest

from onboarding.protocol import errors
from onboarding.store.database import Database
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from tests.support.role_bench import (
    DONE,
    ENTRY,
    GUID,
    HELLO,
    INFO,
    NOW,
    PROVE,
    READY,
    TAKEN,
    Bench,
    toy_bench,
)


@pytest.fixture
def bench(database: Database) -> Bench:
    return toy_bench(database)


def test_a_run_goes_on_at_any_replica(bench: Bench) -> None:
    token = bench.start()
    bench.second.handle(ENTRY, b"0", token)
    bench.first.handle(PROVE, b"proof", token)
    bench.second.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_replica_that_was_left_behind_reads_where_the_run_stands(
    bench: Bench,
) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    turns = (bench.first, bench.second, bench.second, bench.first, bench.second)
    answers = [turn.handle(INFO, b"", token).body for turn in turns]
    assert answers == [bytes([number]) for number in range(1, 6)]
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_replica_that_was_left_behind_fails_no_run_that_another_moved(
    bench: Bench,
) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.second.handle(READY, b"", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]
    assert not bench.failures


def test_a_run_that_ended_elsewhere_is_not_ended_again(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    bench.second.handle(DONE, b"", token)
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_replica_does_not_forget_that_another_was_given_the_proof(
    bench: Bench,
) -> None:
    token = bench.start()
    assert bench.first.handle(ENTRY, b"0", token).body == b"0"
    bench.second.handle(PROVE, b"proof", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(ENTRY, b"0", token)
    with pytest.raises(errors.ProtocolError):
        bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    assert not bench.failures


def test_a_run_that_was_opened_here_ends_with_its_token(bench: Bench) -> None:
    token = bench.start()
    bench.now += 599
    assert bench.first.handle(ENTRY, b"0", token).body == b"0"
    bench.now += 1
    with pytest.raises(errors.TokenRefused):
        bench.first.handle(ENTRY, b"0", token)


def test_the_token_is_minted_once(bench: Bench) -> None:
    token = bench.start()
    for kind, body in ((ENTRY, b"0"), (PROVE, b"proof"), (READY, b""), (DONE, b"")):
        assert bench.first.handle(kind, body, token).authorization is None


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}", " {} "])
def test_the_token_is_known_with_and_without_its_scheme(
    bench: Bench, form: str
) -> None:
    token = bench.start().removeprefix("Bearer ")
    assert bench.first.handle(ENTRY, b"0", form.format(token)).body == b"0"


def test_nothing_is_stored_before_the_proof(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(ENTRY, b"0", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(PROVE, b"no proof", token)
    assert bench.runs.live(NOW) == 0
    bench.first.handle(PROVE, b"proof", token)
    assert bench.runs.live(NOW) == 1


def test_an_entry_may_be_asked_for_again(bench: Bench) -> None:
    token = bench.start()
    assert bench.first.handle(ENTRY, b"0", token) == bench.second.handle(
        ENTRY, b"0", token
    )


@pytest.mark.parametrize("again", [PROVE, READY, DONE])
def test_a_copy_of_a_message_is_refused(bench: Bench, again: MsgType) -> None:
    token = bench.start()
    for kind, body in ((PROVE, b"proof"), (READY, b""), (DONE, b"")):
        bench.first.handle(kind, body, token)
        if kind is again:
            break
    with pytest.raises(errors.MessageRefused):
        bench.second.handle(again, b"proof" if again is PROVE else b"", token)
    assert len(bench.committed) == (1 if again is DONE else 0)


def test_a_copy_of_a_message_does_not_end_the_run(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    with pytest.raises(errors.UnexpectedMessage):
        bench.first.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    assert bench.committed == [TAKEN]


def test_a_message_that_is_wrong_in_itself_ends_the_run(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    with pytest.raises(errors.MessageRefused, match="nonce"):
        bench.first.handle(DONE, b"bad", token)
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(DONE, b"", token)
    assert not bench.committed
    assert bench.failures == ["message 70"]


def test_an_error_of_the_peer_ends_its_run(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.second.peer_error(b"whatever", token)
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(READY, b"", token)
    assert bench.failures == ["the device reported an error"]


def test_an_error_without_a_token_changes_nothing(bench: Bench) -> None:
    bench.first.peer_error(b"", None)
    bench.first.peer_error(b"", "Bearer nonsense")
    assert not bench.failures


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer abc", "x" * 9000, "ü"]
)
def test_a_token_that_is_not_ours_is_refused(
    bench: Bench, authorization: str | None
) -> None:
    with pytest.raises(errors.TokenRefused):
        bench.first.handle(ENTRY, b"0", authorization)


def test_the_opening_message_ignores_what_token_it_brings(bench: Bench) -> None:
    reply = bench.first.handle(HELLO, b"", "Bearer of an earlier run")
    assert reply.authorization is not None


def test_a_message_of_another_service_is_refused(bench: Bench) -> None:
    with pytest.raises(errors.UnexpectedMessage, match="no message 30"):
        bench.first.handle(30, b"", None)


def test_every_message_that_was_taken_is_in_the_trace_of_its_run(bench: Bench) -> None:
    token = bench.start()
    bench.second.handle(ENTRY, b"0", token)
    bench.first.handle(PROVE, b"proof", token)
    bench.second.handle(READY, b"", token)
    bench.first.handle(DONE, b"", token)
    found = bench.trace()
    assert (found.protocol, found.guid, found.done) == ("toy", GUID.raw, True)
    assert (found.messages, found.passed, found.refused) == (5, 70, None)


@pytest.mark.parametrize("warm", [True, False])
def test_a_refused_message_is_in_the_trace_once_and_says_why(
    bench: Bench, *, warm: bool
) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    with pytest.raises(errors.MessageRefused):
        (bench.first if warm else bench.second).handle(DONE, b"bad", token)
    found = bench.trace()
    assert (found.passed, found.refused, found.messages) == (66, 70, 4)
    assert found.error == "the nonce is another"


@pytest.mark.parametrize("warm", [True, False])
def test_a_proof_that_is_refused_is_in_the_trace_once(
    bench: Bench, *, warm: bool
) -> None:
    token = bench.start()
    with pytest.raises(errors.UnexpectedMessage):
        (bench.first if warm else bench.second).handle(PROVE, b"forged", token)
    found = bench.trace()
    assert (found.passed, found.refused, found.messages) == (60, 64, 2)


def test_a_commit_that_is_refused_is_in_the_trace(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    bench.first.handle(READY, b"", token)
    bench.sold = True
    with pytest.raises(errors.MessageRefused):
        bench.first.handle(DONE, b"", token)
    found = bench.trace()
    assert (found.refused, found.error) == (70, "it was sold meanwhile")


def test_what_a_peer_reports_is_in_the_trace_as_its_word(bench: Bench) -> None:
    token = bench.start()
    bench.first.handle(PROVE, b"proof", token)
    said = ErrorMessage(6, 65, "no such owner", NOW, 1).encode()
    bench.first.peer_error(said, token)
    found = bench.trace()
    assert (found.by_peer, found.refused, found.code) == (True, 65, 6)
    assert found.error == "no such owner"
