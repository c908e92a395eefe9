"""Files pushed by the owner: whole and verified, or not there."""

import hashlib
from pathlib import Path

import pytest

from onboarding.device.modules.download import DownloadModule
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

CONTENT = bytes(range(256)) * 8
DIGEST = hashlib.sha384(CONTENT).digest()


def push(
    module: DownloadModule,
    name: str = "config/app.json",
    length: int | None = len(CONTENT),
    digest: bytes | None = DIGEST,
    content: bytes = CONTENT,
) -> list[object]:
    """Send one file in pieces of 1014 bytes; return what ``done`` said."""
    answers = [*module.receive("name", cbor.encode(name))]
    if length is not None:
        answers += module.receive("length", cbor.encode(length))
    if digest is not None:
        answers += module.receive("sha-384", cbor.encode(digest))
    pieces = [content[at : at + 1014] for at in range(0, len(content), 1014)]
    for piece in [*pieces, b""] if length is None else pieces or [b""]:
        answers += module.receive("data", cbor.encode(piece))
    assert all(message == "done" for message, _ in answers)
    return [cbor.decode(value) for _, value in answers]


def test_a_file_arrives_whole_under_its_name(tmp_path: Path) -> None:
    module = DownloadModule(tmp_path)
    assert push(module) == [len(CONTENT)]
    assert (tmp_path / "config" / "app.json").read_bytes() == CONTENT
    assert module.received == ("config/app.json",)


def test_a_stream_without_a_length_ends_with_an_empty_piece(tmp_path: Path) -> None:
    assert push(DownloadModule(tmp_path), length=None) == [len(CONTENT)]


def test_an_empty_file_arrives(tmp_path: Path) -> None:
    answered = push(DownloadModule(tmp_path), length=0, digest=None, content=b"")
    assert answered == [0]
    assert (tmp_path / "config" / "app.json").read_bytes() == b""


def test_an_empty_file_without_a_single_piece_ends_with_the_owners_silence(
    tmp_path: Path,
) -> None:
    module = DownloadModule(tmp_path)
    assert module.silence() == []
    module.receive("name", cbor.encode("empty"))
    assert module.silence() == []  # it may be a stream that pauses
    module.receive("length", cbor.encode(0))
    module.receive("sha-384", cbor.encode(hashlib.sha384(b"").digest()))
    assert module.silence() == [("done", cbor.encode(0))]
    assert (tmp_path / "empty").read_bytes() == b""
    assert module.silence() == []


def test_a_file_that_pauses_is_not_ended_by_silence(tmp_path: Path) -> None:
    module = DownloadModule(tmp_path)
    for message, value in (("name", "a"), ("length", 3), ("data", b"ab")):
        assert module.receive(message, cbor.encode(value)) == []
    assert module.silence() == []
    assert module.receive("data", cbor.encode(b"c")) == [("done", cbor.encode(3))]


def test_a_run_that_ends_in_the_middle_of_a_file_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    module = DownloadModule(tmp_path)
    for message, value in (("name", "a"), ("length", 3), ("data", b"ab")):
        module.receive(message, cbor.encode(value))
    assert len(list(tmp_path.iterdir())) == 1
    module.close()
    assert list(tmp_path.iterdir()) == []


def test_two_files_arrive_one_after_the_other(tmp_path: Path) -> None:
    module = DownloadModule(tmp_path)
    assert push(module, "a") + push(module, "b") == [len(CONTENT)] * 2
    assert module.received == ("a", "b")


CHANGES: dict[str, dict[str, object]] = {
    "another digest": {"digest": bytes(48)},
    "more than its length": {"length": len(CONTENT) - 1},
    "a name that leads outside": {"name": "../outside"},
    "an absolute name": {"name": "/tmp/outside"},  # noqa: S108 - refused, never made
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_is_not_right_leaves_nothing_behind(
    tmp_path: Path, change: dict[str, object]
) -> None:
    module = DownloadModule(tmp_path / "in")
    assert push(module, **change) == [-1]  # type: ignore[arg-type]
    assert module.received == ()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_link_in_the_directory_leads_no_file_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for directory in (inside, outside):
        directory.mkdir()
    (inside / "etc").symlink_to(outside)
    assert push(DownloadModule(inside), "etc/passwd") == [-1]
    assert list(outside.iterdir()) == []


def test_an_old_file_stays_when_its_successor_is_not_right(tmp_path: Path) -> None:
    module = DownloadModule(tmp_path)
    push(module)
    push(module, content=b"x" * len(CONTENT))
    assert (tmp_path / "config" / "app.json").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("message", "value"),
    [("name", 1), ("length", -1), ("sha-384", b"short"), ("data", "text")],
)
def test_a_message_of_another_type_is_malformed(
    tmp_path: Path, message: str, value: object
) -> None:
    with pytest.raises(MalformedError):
        DownloadModule(tmp_path).receive(message, cbor.encode(value))
