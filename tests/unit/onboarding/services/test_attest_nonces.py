"""Nonces of the evidence channel: for one device, one quote, one policy, a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.device_auth import Purpose
from onboarding.services.device_api.attest import TICKET, EvidenceChannel
from onboarding.services.errors import Problem
from ownership_vouchers import cbor
from tests.support.databases import NewDatabase
from tests.support.owner_bench import POLICY, OwnerBench, owner_bench

PARTS = {"message": b"m", "signature": b"s", "pcr_blob": b"p"}


@pytest.fixture
def bench(tmp_path: Path, databases: NewDatabase) -> Iterator[OwnerBench]:
    with owner_bench(
        tmp_path, attest_challenge_seconds=30, databases=databases
    ) as bench:
        yield bench


@pytest.fixture
def channel(bench: OwnerBench) -> EvidenceChannel:
    """Without a Keylime: a nonce that is taken is told by what is missed next."""
    return EvidenceChannel(bench.context, bench.gate, None)


def ticket(bench: OwnerBench, channel: EvidenceChannel) -> object:
    return channel.challenge(bench.call(Purpose.ATTEST))["ticket"]


def refused(bench: OwnerBench, channel: EvidenceChannel, ticket: object) -> str:
    """Hand evidence over; the code of what comes back."""
    with pytest.raises(Problem) as found:
        channel.attest(bench.call(Purpose.ATTEST, {**PARTS, "ticket": ticket}))
    return found.value.code


TAKEN = "keylime-not-configured"


@pytest.mark.parametrize(("after", "code"), [(29, TAKEN), (31, "nonce-refused")])
def test_a_nonce_lives_for_as_long_as_the_settings_say(
    bench: OwnerBench, channel: EvidenceChannel, after: int, code: str
) -> None:
    given = ticket(bench, channel)
    bench.clock.now += after
    assert refused(bench, channel, given) == code


def test_a_nonce_is_gone_once_it_was_used_whatever_came_of_it(
    bench: OwnerBench, channel: EvidenceChannel
) -> None:
    given = ticket(bench, channel)
    assert refused(bench, channel, given) == TAKEN
    other = EvidenceChannel(bench.context, bench.gate, None)  # as another replica
    for one in (channel, other):
        assert refused(bench, one, given) == "nonce-refused"


def test_nonces_are_all_different_and_do_not_end_one_another(
    bench: OwnerBench, channel: EvidenceChannel
) -> None:
    calls = [channel.challenge(bench.call(Purpose.ATTEST)) for _ in range(3)]
    assert len({bytes(one["nonce"]) for one in calls}) == 3  # type: ignore[call-overload]
    for one in reversed(calls):
        assert refused(bench, channel, one["ticket"]) == TAKEN


def test_a_ticket_of_another_device_or_of_nobody_is_refused(
    tmp_path: Path, bench: OwnerBench, channel: EvidenceChannel, databases: NewDatabase
) -> None:
    given = str(ticket(bench, channel))
    changed = given[:-2] + ("AA" if given[-2:] != "AA" else "BB")
    (tmp_path / "other").mkdir()
    with owner_bench(tmp_path / "other", databases=databases) as stranger:
        there = EvidenceChannel(stranger.context, stranger.gate, None)
        foreign = ticket(stranger, there)
    now = bench.context.now()
    promised = cbor.encode([bytes(16), bytes(32), POLICY.digest()])
    sealer = bench.context.server_keys.sealer(now)
    of_another = sealer.seal(TICKET, promised, now + 30)
    for one in (changed, foreign, of_another, "", "x" * 100):
        assert refused(bench, channel, one) == "nonce-refused"
    assert refused(bench, channel, given) == TAKEN
