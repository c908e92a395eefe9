"""An answer that is shared: how old it may be, and who has to wait for it."""

from threading import Event, Thread

import pytest

from onboarding.services.cached import Cached


class Source:
    """Counts how often it was asked; ``gate`` holds it up."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = Event()
        self.gate.set()

    def __call__(self) -> int:
        self.asked += 1
        assert self.gate.wait(60)
        return self.asked


def test_an_answer_is_asked_for_again_only_when_it_is_too_old() -> None:
    source, now = Source(), [0.0]
    cached = Cached(source, 5.0, lambda: now[0])
    assert [cached.get(), cached.get()] == [1, 1]
    now[0] = 4.9
    assert cached.get() == 1
    now[0] = 5.0
    assert cached.get() == 2


def test_while_one_asks_the_others_get_the_last_answer() -> None:
    source, now = Source(), [0.0]
    cached = Cached(source, 5.0, lambda: now[0])
    cached.get()
    now[0] = 6.0
    source.gate.clear()
    slow = Thread(target=cached.get)
    slow.start()
    while source.asked < 2:
        pass
    assert cached.get() == 1
    source.gate.set()
    slow.join()
    assert cached.get() == 2


def test_a_failure_is_the_askers_and_is_not_kept() -> None:
    answers = iter([ValueError("no"), None])

    def ask() -> str:
        error = next(answers)
        if error is not None:
            raise error
        return "yes"

    cached = Cached(ask, 5.0)
    with pytest.raises(ValueError, match="no"):
        cached.get()
    assert cached.get() == "yes"
