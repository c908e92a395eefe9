"""TO0 in the background: kept attempts, growing pauses, an end when it is over."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.to0_owner import To0Owner
from onboarding.services import to0
from onboarding.services.fdo_client import Deadline, FdoClients, run_protocol
from onboarding.services.owned import OwnedVouchers
from onboarding.services.settings import Role
from onboarding.services.site import encode_addresses
from onboarding.services.to0_attempts import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_WAIT,
    Attempt,
    attempts_of,
    is_urged,
    payload_of,
)
from onboarding.services.voucher_records import record_of
from onboarding.store.rv_servers import OPEN_AFTER
from onboarding.store.settings_rows import TO2_ADDRESSES
from onboarding.store.tasks import Task
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.rendezvous import To2Address, TransportProtocol
from ownership_vouchers.types import Guid
from tests.support.databases import NewDatabase
from tests.support.dripping import dripping
from tests.support.lossy import Altering
from tests.support.owner_bench import OwnerBench, owner_bench
from tests.support.rv_stubs import nobody, silent
from tests.support.services import Site
from tests.support.supply_chain import SupplyChain

WORKER = "worker"


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases, to0_run_seconds=4) as made:
        address = To2Address("127.0.0.1", None, 8080, TransportProtocol.HTTP)
        encoded = encode_addresses((address,))
        made.context.stores.settings.put(TO2_ADDRESSES, encoded, "test", 1)
        yield made


def at(port: int) -> dict[str, object]:
    """A directive for a rendezvous server on this machine."""
    return {"ip": "127.0.0.1", "owner_port": port, "protocol": "http"}


def waiting(
    bench: OwnerBench, chain: SupplyChain | None = None, serial: str = "SN-2"
) -> bytes:
    """A voucher whose rendezvous servers, unless named, are not there."""
    chain = chain or SupplyChain(rendezvous=[at(nobody()), at(nobody())])
    chain.make_device().sell_to("dealer")
    ours = PublicKey.of(bench.owner.public_key)
    seller = chain.owner
    voucher = extend(chain.verified, seller.signer, seller.public_key, ours)
    now = bench.context.now()
    bench.context.stores.vouchers.add(record_of(voucher, serial, now), "test")
    to0.plan(bench.context.stores, voucher.guid.raw, now)
    return voucher.guid.raw


def work(bench: OwnerBench) -> Task | None:
    """Do the tasks that are due; return what is planned then."""
    tasks = bench.context.stores.tasks
    clients = FdoClients()
    doing = to0.To0Work(bench.context, OwnedVouchers(bench.context), clients)
    with closing(clients), closing(doing):
        for task in tasks.claim(to0.KIND, WORKER, bench.context.now(), 60):
            doing.run(task, WORKER)
    pending = tasks.pending(to0.KIND)
    return pending[0] if pending else None


def test_a_server_that_is_not_there_is_tried_again_later_and_later(
    bench: OwnerBench,
) -> None:
    waiting(bench)
    pauses = []
    for failures in range(1, 5):
        task = work(bench)
        assert task is not None
        attempts = attempts_of(task)
        assert [one.failures for one in attempts] == [failures] * 2
        assert all("ConnectError" in one.error for one in attempts)
        pauses.append(task.due - bench.context.now())
        bench.clock.now += 2 * LONGEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[0] < FIRST_PAUSE * 2 + 1


def test_nothing_is_tried_before_its_time(bench: OwnerBench) -> None:
    waiting(bench)
    first = work(bench)
    assert work(bench) == first


def test_without_an_address_to_announce_the_reason_is_kept(
    tmp_path: Path, databases: NewDatabase
) -> None:
    with owner_bench(tmp_path, databases) as bench:
        waiting(bench)
        task = work(bench)
        assert task is not None
        assert {one.error for one in attempts_of(task)} == {
            "No TO2 address was set, so no rendezvous server can send devices here."
        }


def test_a_device_that_was_onboarded_is_not_announced_any_more(
    bench: OwnerBench,
) -> None:
    guid = waiting(bench)
    old = bench.context.stores.vouchers.get(guid)
    new = replace(old, guid=bytes(16))
    bench.context.stores.vouchers.take_ownership(guid, new, b"", b"", 1, run_id=b"r")
    assert work(bench) is None


def test_a_voucher_that_was_deleted_is_not_announced_any_more(
    bench: OwnerBench,
) -> None:
    guid = waiting(bench)
    bench.context.stores.vouchers.delete(guid, "test", 1)
    assert work(bench) is None


@pytest.fixture
def rendezvous(tmp_path: Path) -> Iterator[int]:
    """The port of a rendezvous server that takes everybody."""
    (tmp_path / "rv").mkdir()
    site = Site(tmp_path / "rv")
    settings = site.settings(Role.RENDEZVOUS, insecure_rendezvous_accept_any=True)
    with site.serve(settings) as service:
        yield int(service.url.rpartition(":")[2])


@pytest.mark.parametrize("bad", [silent, dripping])
def test_a_server_that_takes_its_time_does_not_keep_the_others(
    bench: OwnerBench, rendezvous: int, bad: Callable[[], AbstractContextManager[int]]
) -> None:
    with bad() as port:
        waiting(bench, SupplyChain(rendezvous=[at(port), at(rendezvous)]))
        task = work(bench)
    assert task is not None
    slow, quick = attempts_of(task)
    now = bench.context.now()
    assert (quick.error, quick.until) == ("", now + quick.granted)
    assert quick.granted == bench.context.settings.to0_wait_seconds
    assert (slow.failures, slow.until) == (1, 0)
    assert "took" in slow.error
    assert task.last_error is not None
    assert slow.server in task.last_error


def test_a_registration_is_renewed_at_about_two_thirds_of_its_time(
    bench: OwnerBench, rendezvous: int
) -> None:
    waiting(bench, SupplyChain(rendezvous=[at(rendezvous)]))
    task = work(bench)
    assert task is not None
    (first,) = attempts_of(task)
    share = (task.due - bench.context.now()) / first.granted
    assert 0.5 < share < 0.67
    bench.clock.now = task.due
    task = work(bench)
    assert task is not None
    (second,) = attempts_of(task)
    assert second.until > first.until


def test_a_retry_asks_every_server_whatever_was_planned(
    bench: OwnerBench, rendezvous: int
) -> None:
    gone = nobody()
    guid = waiting(bench, SupplyChain(rendezvous=[at(rendezvous), at(gone)]))
    work(bench)
    bench.clock.now += 1
    to0.plan(bench.context.stores, guid, bench.context.now())
    task = work(bench)
    assert task is not None
    registered, failed = attempts_of(task)
    assert registered.at == bench.context.now()
    assert failed.failures == 2


def test_all_vouchers_together_try_a_dead_server_a_few_times(
    bench: OwnerBench,
) -> None:
    dead = nobody()
    chain = SupplyChain(rendezvous=[at(dead)])
    for number in range(9):
        waiting(bench, chain, f"SN-{number + 10}")
    tasks = bench.context.stores.tasks
    clients = FdoClients()
    doing = to0.To0Work(bench.context, OwnedVouchers(bench.context), clients)
    with closing(clients), closing(doing):
        for task in tasks.claim(to0.KIND, WORKER, bench.context.now(), 60):
            doing.run(task, WORKER)
    attempts = [attempts_of(one)[0] for one in tasks.pending(to0.KIND)]
    tried = [one for one in attempts if one.failures]
    spared = [one for one in attempts if not one.failures]
    assert (len(tried), len(spared)) == (OPEN_AFTER, 4)
    server = bench.context.stores.rv_servers.get(f"http://127.0.0.1:{dead}")
    assert all("left alone" in one.error for one in spared)
    assert all(one.due >= server.open_until for one in spared)


def test_a_refusal_is_an_answer_and_opens_no_circuit(
    bench: OwnerBench, tmp_path: Path
) -> None:
    (tmp_path / "strict").mkdir()
    site = Site(tmp_path / "strict")
    with site.serve(site.settings(Role.RENDEZVOUS)) as service:
        port = int(service.url.rpartition(":")[2])
        waiting(bench, SupplyChain(rendezvous=[at(port)]))
        for _ in range(OPEN_AFTER + 1):
            task = work(bench)
            bench.clock.now += 2 * LONGEST_PAUSE
    assert task is not None
    (attempt,) = attempts_of(task)
    assert attempt.failures == OPEN_AFTER + 1
    assert "error 2" in attempt.error
    assert "does not trust the manufacturer" in attempt.error
    server = bench.context.stores.rv_servers.get(service.url)
    assert (server.failures, server.open_until) == (0, 0)


REFUSED_ANSWERS: dict[str, tuple[dict[MsgType, bytes], int, int, type[Exception]]] = {
    "21 without a nonce": ({MsgType.TO0_HELLO: b"\x80"}, 21, 100, MalformedError),
    "23 without a time": ({MsgType.TO0_OWNER_SIGN: b"\x80"}, 23, 100, MalformedError),
}


@pytest.mark.parametrize("name", REFUSED_ANSWERS)
def test_a_server_is_told_why_its_answer_is_refused(
    bench: OwnerBench, rendezvous: int, name: str
) -> None:
    answers, previous, code, refused = REFUSED_ANSWERS[name]
    guid = waiting(bench, SupplyChain(rendezvous=[at(rendezvous)]))
    owned = OwnedVouchers(bench.context).find(Guid(guid))
    assert owned is not None
    assert owned.signer is not None
    address = To2Address("127.0.0.1", None, 8080, TransportProtocol.HTTP)
    env = To0OwnerEnv(owned.voucher, owned.signer, (address,), 3600)
    between = Altering(answers)
    urls = (f"http://127.0.0.1:{rendezvous}",)
    with httpx.Client(transport=between) as http, pytest.raises(refused):
        run_protocol(http, urls, lambda: To0Owner(env), Deadline(30))
    (_, opening), *_, (report, answered) = between.seen
    assert report.url.path == "/fdo/101/msg/255"
    told = ErrorMessage.from_cbor(report.content)
    assert (told.previous, told.code) == (previous, code)
    assert report.headers["authorization"] == opening.headers["authorization"]
    assert (answered.status_code, answered.content) == (200, b"")


def test_a_server_that_ended_a_run_is_told_nothing(
    bench: OwnerBench, tmp_path: Path
) -> None:
    (tmp_path / "strict").mkdir()
    site, between = Site(tmp_path / "strict"), Altering({})
    guid = waiting(bench)
    owned = OwnedVouchers(bench.context).find(Guid(guid))
    assert owned is not None
    assert owned.signer is not None
    env = To0OwnerEnv(owned.voucher, owned.signer, (), 3600)
    with (
        site.serve(site.settings(Role.RENDEZVOUS)) as service,
        httpx.Client(transport=between) as http,
        pytest.raises(PeerFailed),
    ):
        run_protocol(http, (service.url,), lambda: To0Owner(env), Deadline(30))
    asked = [request.url.path for request, _ in between.seen]
    assert asked == ["/fdo/101/msg/20", "/fdo/101/msg/22"]


def test_no_lane_is_no_failure_and_is_waited_for_longer_and_longer() -> None:
    now, attempt, pauses = 1000, Attempt("http://rv.example.test"), []
    for _ in range(12):
        attempt = attempt.had_to_wait(now)
        pauses.append(attempt.due - now)
    assert attempt.failures == 0
    assert pauses[0] <= FIRST_PAUSE + 1
    assert LONGEST_WAIT * 0.8 < pauses[-1] <= LONGEST_WAIT + 1
    assert attempt.took(3600, now).waits == attempt.failed("x", now).waits == 0


def test_who_grants_next_to_nothing_is_not_asked_every_second() -> None:
    assert Attempt("http://rv.example.test").took(1, 1000).due >= 1000 + FIRST_PAUSE


def test_a_task_as_it_was_written_before_is_read() -> None:
    old = b'[{"server": "http://a", "at": 1, "failures": 2, "error": "no"}]'
    task = Task(b"", to0.KIND, "", old, 0, 3, 1, None)
    (attempt,) = attempts_of(task)
    assert (attempt.server, attempt.failures, attempt.waits) == ("http://a", 2, 0)
    assert is_urged(task)
    assert not is_urged(replace(task, payload=payload_of(task, [attempt])))
