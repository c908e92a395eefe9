"""Requests of devices: whose they are, what for, and once only."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attestation.device_auth import DeviceRequest, Purpose, sign_request
from onboarding.services.errors import Problem
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.types import Guid
from tests.support.databases import NewDatabase
from tests.support.owner_bench import OwnerBench, owner_bench
from tests.support.supply_chain import new_key


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(tmp_path, databases=databases) as made:
        yield made


def refusal(bench: OwnerBench, data: bytes, purpose: Purpose) -> str:
    with pytest.raises(Problem) as refused:
        bench.requests.open(data, purpose)
    assert refused.value.status == 401
    return refused.value.code


def test_a_request_over_a_fresh_challenge_is_the_devices(bench: OwnerBench) -> None:
    call = bench.call(Purpose.REPORT, {"report": b"x"})
    assert (call.guid, call.body) == (bench.guid, {"report": b"x"})


def test_a_request_is_good_once(bench: OwnerBench) -> None:
    data = bench.request(Purpose.WORKLOAD)
    bench.requests.open(data, Purpose.WORKLOAD)
    assert refusal(bench, data, Purpose.WORKLOAD) == "challenge-used"


def test_two_requests_over_one_challenge_are_one_too_many(bench: OwnerBench) -> None:
    challenge, _ = bench.requests.challenge(bench.guid)
    first, second = (
        sign_request(
            DeviceRequest(challenge, bench.guid, Purpose.WORKLOAD, body), bench.device
        )
        for body in (b"", cbor.encode({}))
    )
    bench.requests.open(first, Purpose.WORKLOAD)
    assert refusal(bench, second, Purpose.WORKLOAD) == "challenge-used"


def test_a_challenge_dies(bench: OwnerBench) -> None:
    data = bench.request(Purpose.WORKLOAD)
    bench.clock.now += bench.context.settings.device_challenge_seconds
    assert refusal(bench, data, Purpose.WORKLOAD) == "challenge-refused"


def test_a_challenge_of_another_device_is_refused(bench: OwnerBench) -> None:
    challenge, _ = bench.requests.challenge(Guid(bytes(16)))
    request = DeviceRequest(challenge, bench.guid, Purpose.WORKLOAD, b"")
    data = sign_request(request, bench.device)
    assert refusal(bench, data, Purpose.WORKLOAD) == "challenge-refused"


def test_a_challenge_of_our_own_making_is_needed(bench: OwnerBench) -> None:
    sealer = bench.context.server_keys.sealer(bench.context.now())
    other = sealer.seal_bytes("attest-ticket", bench.guid.raw, 2**40)
    for challenge in (b"", b"x" * 57, other):
        request = DeviceRequest(challenge, bench.guid, Purpose.WORKLOAD, b"")
        data = sign_request(request, bench.device)
        assert refusal(bench, data, Purpose.WORKLOAD) == "challenge-refused"


def test_another_key_cannot_speak_for_the_device(bench: OwnerBench) -> None:
    challenge, _ = bench.requests.challenge(bench.guid)
    request = DeviceRequest(challenge, bench.guid, Purpose.WORKLOAD, b"")
    data = sign_request(request, SoftSigner(new_key("P-256")))
    assert refusal(bench, data, Purpose.WORKLOAD) == "bad-signature"
    # The challenge is not used up by whoever only guesses.
    bench.requests.open(sign_request(request, bench.device), Purpose.WORKLOAD)


def test_a_request_for_one_call_is_not_one_for_another(bench: OwnerBench) -> None:
    data = bench.request(Purpose.WORKLOAD)
    code = refusal(bench, data, Purpose.REPORT)
    assert code == "document-for-another-purpose"


def test_a_stranger_is_told_nothing_but_that(bench: OwnerBench) -> None:
    challenge, _ = bench.requests.challenge(Guid(bytes(16)))
    request = DeviceRequest(challenge, Guid(bytes(16)), Purpose.WORKLOAD, b"")
    data = sign_request(request, bench.device)
    assert refusal(bench, data, Purpose.WORKLOAD) == "unknown-device"


def test_a_retired_device_is_a_stranger(bench: OwnerBench) -> None:
    data = bench.request(Purpose.WORKLOAD)
    bench.context.stores.devices.retire(bench.guid.raw, "sold", "test", 1)
    assert refusal(bench, data, Purpose.WORKLOAD) == "unknown-device"


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "not CBOR": lambda _: b"\xff",
    "cut short": lambda data: data[:-1],
    "a byte more": lambda data: data + b"\x00",
    "one bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "without its tag": lambda data: data[1:],
    "very deep": lambda _: b"\x81" * 5000,
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_an_altered_request_is_refused(bench: OwnerBench, name: str) -> None:
    data = bench.request(Purpose.WORKLOAD)
    refusal(bench, CHANGES[name](data), Purpose.WORKLOAD)
    bench.requests.open(data, Purpose.WORKLOAD)
