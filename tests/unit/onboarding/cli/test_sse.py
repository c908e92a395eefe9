"""Server-sent events: however they are cut, and what is none."""

import pytest

from onboarding.cli import sse
from onboarding.cli.sse import Sent, events_of
from onboarding.device.errors import Garbled

STREAM = (
    b"retry: 3000\n\n: nothing new\n\nid: 7\ndata: {}\n\n"
    b"id: 8\r\ndata:one\r\ndata: t\xc3\xbcwo\r\n\r\nid: 9\ndata: cut of"
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_whole_however_they_come(size: int) -> None:
    chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert list(events_of(chunks)) == [Sent("7", "{}"), Sent("8", "one\ntüwo")]


def test_a_line_without_end_is_refused() -> None:
    endless = (b"x" * 65536 for _ in range(1 + sse.LONGEST // 65536))
    with pytest.raises(Garbled):
        list(events_of(endless))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Garbled):
        list(events_of([b"data: \xff\n\n"]))
