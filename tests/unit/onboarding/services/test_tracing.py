"""Notes of runs: what is kept of whom, and that nobody can make them grow."""

import asyncio
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from onboarding.protocol import errors
from onboarding.protocol.registry import DI, TO0, TO1, TO2
from onboarding.protocol.step import State, Step
from onboarding.protocol.to0_rendezvous import AwaitingSign
from onboarding.protocol.to1_rendezvous import AwaitingProof
from onboarding.services import tracing
from onboarding.services.run_notes import STEPS_NOTED
from onboarding.services.tracing import Tracer, plain, read_report
from onboarding.store.database import Database
from onboarding.store.traces import ERROR_LIMIT, Sighting, Trace, TraceStore
from onboarding.wire.common import SigInfo
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from onboarding.wire.to1 import HelloRv
from ownership_vouchers.types import Guid

NOW = 1_800_000_000
GUID = Guid(bytes(range(16)))
_30, _32 = MsgType.TO1_HELLO_RV, MsgType.TO1_PROVE_TO_RV
NOT_THERE = errors.NotFound("nobody")


def hello(guid: Guid = GUID) -> bytes:
    return HelloRv(guid, SigInfo(-7)).encode()


def asked(guid: Guid = GUID) -> Step:
    return Step(AwaitingProof(guid, bytes(16)), MsgType.TO1_HELLO_RV_ACK, b"")


DONE = Step(None, MsgType.TO1_RV_REDIRECT, b"")
STANDING: State = AwaitingProof(GUID, bytes(16))


class Bench:
    """A tracer, and what it wrote."""

    def __init__(self, database: Database, *, enabled: bool = True) -> None:
        self.store = TraceStore(database)
        self.tracer = Tracer(self.store, enabled=enabled)

    def open(self, run: bytes, guid: Guid = GUID, now: int = NOW) -> None:
        self.tracer.passed(TO1, run, None, _30, asked(guid), now)

    def end(self, run: bytes, now: int = NOW) -> None:
        self.tracer.passed(TO1, run, STANDING, _32, DONE, now)

    def refuse(
        self, run: bytes | None, error: Exception, body: bytes = b"", now: int = NOW
    ) -> None:
        kind = _30 if run is None else _32
        self.tracer.refused(TO1, run, kind, body, error, now)

    def written(self) -> Sequence[Trace]:
        self.tracer.flush()
        return self.store.page(limit=500).items


@pytest.fixture
def bench(sqlite_database: Database) -> Bench:
    return Bench(sqlite_database)


class Slow(TraceStore):
    """A store whose writes wait to be let go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.begun, self.go = threading.Event(), threading.Event()

    def write(self, traces: Iterable[Trace], sightings: Iterable[Sighting]) -> None:
        self.begun.set()
        self.go.wait(30)
        super().write(traces, sightings)


def test_who_asks_while_another_writes_waits_for_what_is_written(
    sqlite_database: Database,
) -> None:
    store = Slow(sqlite_database)
    tracer = Tracer(store)
    tracer.passed(TO1, b"run", None, _30, asked(), NOW)
    other = threading.Thread(target=tracer.flush)
    other.start()
    assert store.begun.wait(30)
    asking = threading.Thread(target=tracer.flush)
    asking.start()
    asking.join(0.2)
    waited = asking.is_alive()
    store.go.set()
    for thread in (asking, other):
        thread.join(30)
    assert waited
    assert len(store.page().items) == 1


def test_a_run_is_written_once_with_its_steps(bench: Bench) -> None:
    bench.open(b"run")
    bench.end(b"run", NOW + 1)
    (found,) = bench.written()
    assert (found.protocol, found.version, found.guid) == ("TO1", 101, GUID.raw)
    assert (found.messages, found.passed, found.done) == (2, 32, True)
    assert found.steps == f"30,{NOW},1,0;32,{NOW + 1},1,0;"
    assert bench.written() == (found,)


def test_a_run_over_two_writes_is_one_trace(bench: Bench) -> None:
    bench.open(b"run")
    (before,) = bench.written()
    bench.end(b"run", NOW + 60)
    (after,) = bench.written()
    assert (before.passed, before.done) == (30, False)
    assert (after.passed, after.done, after.started) == (32, True, NOW)
    assert (before.updated, after.updated) == (NOW, NOW + 60)


def test_a_refusal_is_kept_with_our_words_and_cleared_by_what_passes(
    bench: Bench,
) -> None:
    bench.open(b"run")
    bench.refuse(b"run", errors.MessageRefused("another nonce\x1b[2J\n"))
    (found,) = bench.written()
    assert (found.passed, found.refused, found.code) == (30, 32, 101)
    assert (found.error, found.by_peer) == ("another nonce [2J", False)
    bench.end(b"run")
    (found,) = bench.written()
    assert (found.refused, found.code, found.error) == (None, None, "")


def test_a_copy_of_the_last_message_does_not_spoil_the_end(bench: Bench) -> None:
    bench.open(b"run")
    bench.end(b"run")
    bench.refuse(b"run", errors.MessageRefused("the run has gone on"))
    (found,) = bench.written()
    assert (found.done, found.refused) == (True, None)


def test_a_refused_token_is_nobodys(bench: Bench) -> None:
    bench.refuse(b"run", errors.TokenRefused("expired"))
    assert bench.written() == ()


def test_hellos_that_fail_alike_are_one_trace(bench: Bench) -> None:
    for _ in range(5):
        bench.refuse(None, errors.Unsupported("signature type 90"), hello())
        bench.written()
    bench.refuse(None, errors.Unsupported("signature type 91"), hello())
    counts = sorted(one.messages for one in bench.written())
    assert counts == [1, 5]
    assert {one.guid for one in bench.written()} == {GUID.raw}


def test_a_hello_that_cannot_be_read_is_about_nobody(bench: Bench) -> None:
    bench.refuse(None, errors.MessageRefused("no"), b"\x80")
    assert bench.written() == ()


def test_a_guid_asked_for_in_vain_is_counted_and_no_run(bench: Bench) -> None:
    for second in range(3):
        bench.refuse(None, NOT_THERE, hello(), NOW + second)
    assert bench.written() == ()
    bench.refuse(None, NOT_THERE, hello(), NOW + 9)
    bench.tracer.flush()
    seen = bench.store.sighting(GUID.raw)
    assert seen is not None
    assert (seen.count, seen.message) == (4, 30)
    assert (seen.first_at, seen.last_at) == (NOW, NOW + 9)


def test_a_flood_of_strangers_is_cut_short(bench: Bench) -> None:
    for number in range(tracing.STRANGERS_NOTED + 50):
        bench.refuse(None, NOT_THERE, hello(Guid(number.to_bytes(16, "big"))))
    bench.tracer.flush()
    found = bench.store.sightings(limit=500).items
    assert len(found) == tracing.STRANGERS_NOTED


def test_a_flood_of_hellos_of_one_device_is_cut_short(bench: Bench) -> None:
    for number in range(100):
        bench.open(number.to_bytes(16, "big"))
    assert len(bench.written()) == tracing.HELLOS_NOTED
    bench.end((99).to_bytes(16, "big"))  # and one that goes on is kept all the same
    assert len(bench.written()) == tracing.HELLOS_NOTED + 1
    (last,) = [one for one in bench.written() if one.done]
    assert last.guid == GUID.raw


def test_a_flood_of_wrong_messages_is_cut_short(bench: Bench) -> None:
    for number in range(500):
        about = errors.Unsupported(f"suite {number}")
        bench.refuse(None, about, hello())
        bench.refuse(number.to_bytes(16, "big"), errors.MessageRefused("no"))
    assert len(bench.written()) == tracing.UNPROVEN_NOTED
    bench.end(b"run")  # who proves itself is noted all the same
    assert len(bench.written()) == tracing.UNPROVEN_NOTED + 1


def test_hellos_that_name_nobody_are_not_noted(bench: Bench) -> None:
    step = Step(AwaitingSign(bytes(16)), MsgType.TO0_HELLO_ACK, b"")
    bench.tracer.passed(TO0, b"run", None, MsgType.TO0_HELLO, step, NOW)
    assert bench.written() == ()


def test_so_many_runs_are_noted_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracing, "RUNS_NOTED", 10)
    for number in range(20):
        bench.open(bytes([number]) * 16, Guid(bytes([number]) * 16))
        bench.refuse(bytes([number]) * 16, errors.MessageRefused("no"))
    assert len(bench.written()) == 10
    assert "20 messages were not noted" in caplog.text


def test_a_long_run_is_counted_and_its_steps_are_bounded(bench: Bench) -> None:
    kinds = (MsgType.TO2_DEVICE_SERVICE_INFO, MsgType.TO2_GET_OV_NEXT_ENTRY)
    for number in range(5000):
        kind = kinds[0] if number < 4001 else kinds[number % 2]
        bench.tracer.passed(TO2, b"run", STANDING, kind, asked(), NOW + number)
    (found,) = bench.written()
    assert found.messages == 5000
    steps = found.steps.split(";")[:-1]
    assert len(steps) == STEPS_NOTED
    assert steps[0] == f"68,{NOW},4001,0"


def test_a_report_of_the_peer_ends_the_trace(bench: Bench) -> None:
    bench.open(b"run")
    body = ErrorMessage(101, 31, "I do not like it\n", 1, 2).encode()
    told = bench.tracer.reported(TO1, b"run", STANDING, body, NOW)
    assert told == "error 101 after message 31: I do not like it"
    bench.refuse(b"run", errors.MessageRefused("the run has gone on"))
    (found,) = bench.written()
    assert (found.refused, found.code, found.by_peer) == (31, 101, True)
    assert found.error == "I do not like it"


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no CBOR": b"\xff" * 60_000,
    "deep": b"\x81" * 60_000,
    "another shape": b"\x80",
    "code of 17 bits": b"\x85\x1a\x00\x01\x00\x00\x00\x60\x00\x00",
    "text over the limit": ErrorMessage(1, 2, "x" * 65536, 3, 4).encode(),
    "text that is not UTF-8": b"\x85\x01\x02\x61\xff\x00\x00",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_report_that_cannot_be_read_is_one_all_the_same(case: str) -> None:
    previous, code, text = read_report(HOSTILE[case])
    assert (previous, code) == (0, 500)
    assert text == "an error message that cannot be read"


def test_the_words_of_a_peer_are_cut_and_made_plain() -> None:
    text = "\x1b]0;owned\x07" + "\u202e" + "\ud7ff\x00" + "ü" * 2000
    previous, code, told = read_report(ErrorMessage(0, 255, text, 1, 1).encode())
    assert (previous, code) == (255, 500)  # 0 is no error
    assert len(told) <= 200
    assert told.isprintable()
    assert plain("a\nb\tc\x00", 9) == "a b c"
    assert plain("x" * 1000, ERROR_LIMIT) == "x" * ERROR_LIMIT


def test_what_is_switched_off_notes_nothing(sqlite_database: Database) -> None:
    bench = Bench(sqlite_database, enabled=False)
    bench.open(b"run")
    bench.refuse(b"run", errors.MessageRefused("no"))
    bench.refuse(None, NOT_THERE, hello())
    body = ErrorMessage(101, 31, "no", 1, 2).encode()
    assert "no" in bench.tracer.reported(TO1, b"run", STANDING, body, NOW)
    assert bench.written() == ()
    assert bench.store.sightings().items == ()


def test_a_store_that_fails_loses_notes_and_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'never-migrated.db'}")
    tracer = Tracer(TraceStore(database))
    tracer.passed(TO1, b"run", None, _30, asked(), NOW)
    tracer.flush()
    assert "could not write down 1 runs" in caplog.text
    database.close()


def test_the_last_notes_are_written_when_the_service_ends(bench: Bench) -> None:
    pruned: list[int] = []

    async def serve() -> None:
        async with bench.tracer.working(lambda: pruned.append(1)):
            bench.open(b"run")

    asyncio.run(serve())
    assert [one.run for one in bench.store.page().items] == [b"run"]


@pytest.mark.parametrize("role", [DI, TO0, TO1, TO2])
def test_no_bytes_make_a_claim_that_raises(role: object) -> None:
    for kind in MsgType:
        for body in (b"", b"\xff", b"\x80", b"\x81\x40", b"\x82\x40\x40", hello()):
            about = role.claimed(kind, body)  # type: ignore[attr-defined]
            assert about.guid is None or about.guid == GUID
