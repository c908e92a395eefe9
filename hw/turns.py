"""One thread in which slow hardware is asked, a question at a time, within a time.

A driver that does not come back holds up this one thread and no caller: who asks waits
no longer than was said, and while a question is overdue nobody waits at all.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from hw.errors import TpmBusyError

T = TypeVar("T")
WAITING = 64  # questions in the queue


class Turns:
    """Questions take turns in a thread of their own. Safe in any thread.

    Args:
        what: Who is asked; the start of each refusal.
        waiting: How many questions may wait; one more is refused.
    """

    def __init__(self, what: str, waiting: int = WAITING) -> None:
        self._what = what
        self._queue: queue.Queue[Callable[[], None]] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._overdue_at: float | None = None  # monotonic; of the one being asked

    def run(self, do: Callable[[], T], seconds: float) -> T:
        """Do it when its turn has come, and return or raise what it does.

        Raises:
            TpmBusyError: It was not done within ``seconds``, waiting included, or there
                is no sense in waiting. It may be done later all the same.
        """
        self._require_hope()
        future: Future[T] = Future()

        def turn() -> None:
            if future.set_running_or_notify_cancel():
                self._overdue_at = time.monotonic() + seconds
                try:
                    future.set_result(do())
                except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                    future.set_exception(error)
                finally:
                    self._overdue_at = None

        try:
            self._queue.put_nowait(turn)
        except queue.Full:
            raise TpmBusyError(f"{self._what}: too many wait for it") from None
        self._start()
        return self._answer(future, seconds)

    def _require_hope(self) -> None:
        overdue_at = self._overdue_at
        if overdue_at is not None and time.monotonic() > overdue_at:
            raise TpmBusyError(f"{self._what}: an earlier command is not answered yet")

    def _answer(self, future: Future[T], seconds: float) -> T:
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.done():  # it raised one itself, or came in this instant
                return future.result()
            future.cancel()
            raise TpmBusyError(
                f"{self._what}: no answer within {seconds:g} s"
            ) from None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="tpm turns", daemon=True
                )
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._queue.get()()
