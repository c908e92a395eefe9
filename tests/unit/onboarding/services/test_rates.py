"""Token buckets: what they let through, and what they keep."""

from dataclasses import dataclass

from onboarding.services.rates import Buckets, Rate


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_comes_through_and_the_next_one_waits() -> None:
    buckets = Buckets(Rate(0.5, 3), Clock())
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 2, 2]


def test_a_bucket_fills_again_up_to_its_burst_and_no_further() -> None:
    clock = Clock()
    buckets = Buckets(Rate(1, 2), clock)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]
    clock.now += 1
    assert [buckets.take("a") for _ in range(2)] == [0, 1]
    clock.now += 3600
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]


def test_each_name_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(Rate(1, 1), Clock())
    assert (buckets.take("a"), buckets.take("b"), buckets.take("a")) == (0, 0, 1)


def test_who_is_refused_is_not_made_to_wait_longer_for_asking() -> None:
    clock = Clock()
    buckets = Buckets(Rate(1, 1), clock)
    buckets.take("a")
    assert {buckets.take("a") for _ in range(50)} == {1}
    clock.now += 1
    assert buckets.take("a") == 0


def test_a_rate_of_none_is_no_bound() -> None:
    buckets = Buckets(Rate(0, 1), Clock())
    assert {buckets.take("a") for _ in range(100)} == {0}


def test_no_more_buckets_are_kept_than_said_and_the_busy_ones_stay() -> None:
    buckets = Buckets(Rate(0.001, 2), Clock(), most=3)
    buckets.take("busy")
    for number in range(2):
        buckets.take(f"other {number}")
    assert buckets.take("busy") == 0
    buckets.take("one more")
    assert buckets.take("busy") > 0
    assert len(buckets._held) == 3
