"""The kernel's log files: read whole or from an entry on, within bounds, or refused."""

import os
from pathlib import Path

import pytest

from hw.errors import LogUnavailableError
from hw.ima import MAX_LINE, MAX_LIST, read_ascii
from hw.kernel_logs import IMA_LIST, UEFI_LOG, ImaPart, KernelLogs
from tests.support.boot_logs import recorded_log
from tests.support.ima_lists import ENTRIES, Measured

LINES = [one.line() for one in ENTRIES]


def tree(root: Path, path: Path, content: bytes) -> KernelLogs:
    file = root / path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return KernelLogs(root)


def test_the_event_log_is_read_whole(tmp_path: Path) -> None:
    log = recorded_log("secure-boot")
    assert tree(tmp_path, UEFI_LOG, log).event_log() == log


def test_given_files_are_read_instead_of_the_kernels(tmp_path: Path) -> None:
    uefi, ima = tmp_path / "boot.evlog", tmp_path / "ima.txt"
    uefi.write_bytes(b"log")
    ima.write_bytes(LINES[0])
    logs = KernelLogs(tmp_path / "absent", uefi, ima)
    assert (logs.event_log(), next(logs.ima_parts()).lines) == (b"log", LINES[0])


def parts(
    logs: KernelLogs, entries: int = 0, size: int = 0, limit: int = MAX_LIST
) -> list[ImaPart]:
    return list(logs.ima_parts(entries, size, limit))


def test_the_list_is_read_on_from_any_entry(tmp_path: Path) -> None:
    logs = tree(tmp_path, IMA_LIST, b"".join(LINES))
    for first in range(len(LINES) + 1):
        (part,) = parts(logs, first, len(b"".join(LINES[:first])))
        assert part.lines == b"".join(LINES[first:])
        assert (part.first, part.following, part.more) == (first, len(LINES), False)
        assert len(read_ascii(part.lines, first)) == len(LINES) - first


def test_a_part_ends_before_its_limit_and_another_follows(tmp_path: Path) -> None:
    logs = tree(tmp_path, IMA_LIST, b"".join(LINES))
    found = parts(logs, limit=400)
    assert [one.more for one in found] == [True] * (len(found) - 1) + [False]
    assert all(0 < len(one.lines) <= 400 for one in found)
    assert [one.first for one in found[1:]] == [one.following for one in found[:-1]]
    assert b"".join(one.lines for one in found) == b"".join(LINES)


def test_a_line_over_the_limit_is_a_part_of_its_own(tmp_path: Path) -> None:
    logs = tree(tmp_path, IMA_LIST, b"".join(LINES))
    assert [one.lines for one in parts(logs, limit=1)] == LINES


def test_a_large_list_is_read_over_many_chunks(tmp_path: Path) -> None:
    lines = [Measured(b"/usr/lib/%d" % number).line() for number in range(3000)]
    logs = tree(tmp_path, IMA_LIST, b"".join(lines))
    size = len(b"".join(lines[:1500]))
    assert parts(logs, 1500, size)[0].lines == b"".join(lines[1500:])


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    logs = tree(tmp_path, IMA_LIST, LINES[0] + LINES[1][:-1])
    assert parts(logs)[0].lines == LINES[0]


@pytest.mark.parametrize(
    ("entries", "size"),
    [(len(LINES) + 1, 100_000), (2, len(LINES[0]) + len(LINES[1]) + 1)],
    ids=["a longer list", "other entries"],
)
def test_all_of_a_list_comes_that_is_not_the_one_that_was_meant(
    tmp_path: Path, entries: int, size: int
) -> None:
    logs = tree(tmp_path, IMA_LIST, b"".join(LINES))
    (part,) = parts(logs, entries, size)
    assert (part.first, part.lines) == (0, b"".join(LINES))


@pytest.mark.parametrize(
    ("path", "content", "why"),
    [
        (UEFI_LOG, b"", "kept no log"),
        (UEFI_LOG, bytes(2 * 1024 * 1024 + 1), "is over"),
        (IMA_LIST, b"x" * (MAX_LINE + 1), "a line of over"),
    ],
)
def test_what_is_out_of_bounds_is_refused(
    tmp_path: Path, path: Path, content: bytes, why: str
) -> None:
    logs = tree(tmp_path, path, content)
    with pytest.raises(LogUnavailableError, match=why):
        logs.event_log() if path is UEFI_LOG else next(logs.ima_parts())


def test_an_absent_log_is_named_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(
        LogUnavailableError, match=r"event log cannot be read at .*: No"
    ):
        KernelLogs(tmp_path).event_log()
    with pytest.raises(LogUnavailableError, match=r"IMA list cannot be read at .*: No"):
        next(KernelLogs(tmp_path).ima_parts())


def test_a_pipe_in_the_place_of_a_log_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(LogUnavailableError, match="no file"):
        KernelLogs(uefi=pipe).event_log()
    with pytest.raises(LogUnavailableError, match="no file"):
        next(KernelLogs(ima=tmp_path).ima_parts())
