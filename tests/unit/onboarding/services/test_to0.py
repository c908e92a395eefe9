"""TO0 in the background: kept attempts, growing pauses, an end when it is over."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from onboarding.services import to0
from onboarding.services.fdo_client import new_client
from onboarding.services.owned import OwnedVouchers
from onboarding.services.site import encode_addresses
from onboarding.services.voucher_records import record_of
from onboarding.store.settings_rows import TO2_ADDRESSES
from onboarding.store.tasks import Task
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.rendezvous import To2Address, TransportProtocol
from tests.support.owner_bench import OwnerBench, owner_bench
from tests.support.supply_chain import SupplyChain

WORKER = "worker"


def nobody() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path) as made:
        address = To2Address("127.0.0.1", None, 8080, TransportProtocol.HTTP)
        encoded = encode_addresses((address,))
        made.context.stores.settings.put(TO2_ADDRESSES, encoded, "test", 1)
        yield made


def waiting(bench: OwnerBench) -> bytes:
    """A voucher whose rendezvous server is not there."""
    where = {"ip": "127.0.0.1", "owner_port": nobody(), "protocol": "http"}
    chain = SupplyChain(rendezvous=[where, {**where, "owner_port": nobody()}])
    chain.make_device().sell_to("dealer")
    ours = PublicKey.of(bench.owner.public_key)
    seller = chain.owner
    voucher = extend(chain.verified, seller.signer, seller.public_key, ours)
    now = bench.context.now()
    bench.context.stores.vouchers.add(record_of(voucher, "SN-2", now), "test")
    to0.plan(bench.context.stores, voucher.guid.raw, now)
    return voucher.guid.raw


def work(bench: OwnerBench) -> Task | None:
    """Do the task that is due; return what is planned then."""
    tasks = bench.context.stores.tasks
    with new_client() as http:
        doing = to0.To0Work(bench.context, OwnedVouchers(bench.context), http)
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
        attempts = to0.attempts_of(task)
        assert [one.failures for one in attempts] == [failures] * 2
        assert all("ConnectError" in one.error for one in attempts)
        pauses.append(task.due - bench.context.now())
        bench.clock.now += 2 * to0.LONGEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[0] < to0.FIRST_PAUSE * 2 + 1


def test_nothing_is_tried_before_its_time(bench: OwnerBench) -> None:
    waiting(bench)
    first = work(bench)
    assert work(bench) == first


def test_without_an_address_to_announce_the_reason_is_kept(tmp_path: Path) -> None:
    with owner_bench(tmp_path) as bench:
        waiting(bench)
        task = work(bench)
        assert task is not None
        assert {one.error for one in to0.attempts_of(task)} == {
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
