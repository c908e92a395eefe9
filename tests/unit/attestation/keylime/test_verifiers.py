"""Verifiers in turn: who is asked next, who is left alone, and for how long."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from attestation.keylime.errors import KeylimeError, KeylimeUnavailable
from attestation.keylime.verifiers import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MAX_VERIFIERS,
    Circuit,
    VerifierPool,
)

A, B, C = "https://a", "https://b", "https://c"


@dataclass
class Sites:
    """What answers, who was asked, and the time."""

    down: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    now: float = 0.0

    def pool(self, *urls: str) -> VerifierPool:
        return VerifierPool(urls, lambda: self.now)

    def __call__(self, url: str) -> str:
        self.asked.append(url)
        if url in self.down:
            raise KeylimeUnavailable(f"{url} is down")
        return url


def circuits(pool: VerifierPool) -> list[Circuit]:
    return [one.circuit(pool.now()) for one in pool.states()]


def test_each_is_asked_in_its_turn() -> None:
    sites = Sites()
    pool = sites.pool(A, B, C)
    assert [pool.ask(sites) for _ in range(4)] == [A, B, C, A]
    assert [one.answered for one in pool.states()] == [2, 1, 1]


def test_one_that_is_down_costs_one_call_and_its_work_goes_to_the_next() -> None:
    sites = Sites({B})
    pool = sites.pool(A, B, C)
    assert [pool.ask(sites) for _ in range(6)] == [A, C, C, A, C, A]
    assert sites.asked.count(B) == 1
    assert circuits(pool) == [Circuit.CLOSED, Circuit.OPEN, Circuit.CLOSED]
    assert pool.states()[1].error == f"{B} is down"


def test_it_is_tried_again_after_a_pause_that_grows_to_a_limit() -> None:
    sites = Sites({A})
    pool = sites.pool(A, B)
    pauses = []
    for _ in range(9):
        while pool.ask(sites) and sites.asked[-2:] != [A, B]:
            pass
        sites.asked.clear()
        pauses.append(pool.states()[0].open_until - sites.now)
        sites.now = pool.states()[0].open_until
        assert circuits(pool)[0] is Circuit.HALF_OPEN
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE

    sites.down.clear()
    assert {pool.ask(sites) for _ in range(2)} == {A, B}
    assert circuits(pool) == [Circuit.CLOSED, Circuit.CLOSED]
    assert pool.states()[0].failures == 0


def test_only_one_call_finds_out_whether_it_is_back() -> None:
    sites = Sites({A})
    pool = sites.pool(A, B)
    pool.ask(sites)
    sites.now = FIRST_PAUSE
    sites.asked.clear()

    def meanwhile(url: str) -> str:
        if url == A:
            assert [pool.ask(sites) for _ in range(4)] == [B] * 4
        return url

    assert {pool.ask(meanwhile) for _ in range(2)} == {A, B}
    assert sites.asked == [B] * 4
    assert circuits(pool) == [Circuit.CLOSED, Circuit.CLOSED]


def test_where_all_are_down_they_are_asked_all_the_same() -> None:
    sites = Sites({A, B})
    pool = sites.pool(A, B)
    for _ in range(3):
        with pytest.raises(KeylimeUnavailable, match="is down"):
            pool.ask(sites)
    assert len(sites.asked) == 6
    assert [one.failures for one in pool.states()] == [1, 1]
    sites.down.clear()
    assert pool.ask(sites)


def test_an_answer_that_is_no_verdict_is_not_asked_for_elsewhere() -> None:
    sites = Sites()
    pool = sites.pool(A, B)

    def refuse(url: str) -> str:
        sites.asked.append(url)
        raise KeylimeError("status 400")

    with pytest.raises(KeylimeError, match="400"):
        pool.ask(refuse)
    assert sites.asked == [A]
    assert circuits(pool) == [Circuit.CLOSED, Circuit.CLOSED]


@pytest.mark.parametrize(
    "urls", [(), (A, A), tuple(f"https://{n}" for n in range(MAX_VERIFIERS + 1))]
)
def test_a_pool_has_some_and_none_of_them_twice(urls: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="verifiers"):
        VerifierPool(urls)


def test_threads_share_the_turns() -> None:
    sites = Sites({C})
    pool = sites.pool(A, B, C)
    work: list[Callable[[], object]] = [lambda: pool.ask(sites)] * 60
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = [one.answered for one in pool.states()]
    assert sum(answered) == 60
    assert answered[2] == 0
    assert min(answered[:2]) >= 20
