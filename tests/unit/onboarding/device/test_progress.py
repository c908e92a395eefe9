"""What onboarding tells of itself, and what is kept of it for ``status``."""

from pathlib import Path

import pytest

from onboarding.device.errors import DeviceError
from onboarding.device.progress import FILE, KEPT, Diary, Kind, Progress, Story, forget

NOW = 1_800_000_000.0
SENTENCES = {
    Progress(Kind.TRYING, "rendezvous http://rv"): "rendezvous http://rv",
    Progress(Kind.FAILED, "http://rv", "no answer"): "http://rv: no answer",
    Progress(Kind.SKIPPED, "directive 2", "not for us"): "directive 2: not for us",
    Progress(Kind.NOTED, "directive 2", "left to it"): "directive 2: left to it",
    Progress(Kind.WAITING, "", "then again", 96.4): "96 s, then again",
    Progress(Kind.TAKEN, "http://owner"): "http://owner",
    Progress(Kind.GIVEN_UP, "after 2 rounds"): "after 2 rounds",
}


@pytest.mark.parametrize("progress", SENTENCES, ids=lambda one: one.kind.value)
def test_each_thing_is_told_in_a_line(progress: Progress) -> None:
    assert progress.sentence == SENTENCES[progress]


def journal(directory: Path, *told: Progress) -> Story:
    heard: list[Progress] = []
    kept = Diary(directory, heard.append, lambda: NOW)
    for one in told:
        kept(one)
    assert heard == list(told)
    story = Story.load(directory)
    assert story is not None
    return story


def test_before_the_first_try_there_is_no_story(tmp_path: Path) -> None:
    assert Story.load(tmp_path) is None


def test_what_is_being_tried_is_kept(tmp_path: Path) -> None:
    story = journal(tmp_path, Progress(Kind.TRYING, "owner http://o"))
    assert story == Story("trying", "owner http://o")


def test_what_failed_where_and_when_it_is_tried_next_is_kept(tmp_path: Path) -> None:
    failed = Progress(Kind.FAILED, "http://rv", "no answer")
    wait = Progress(Kind.WAITING, "", "then again", 30.2)
    story = journal(tmp_path, Progress(Kind.TRYING, "http://rv"), failed, wait)
    told = ("http://rv", "no answer", int(NOW))
    assert story == Story("waiting", "", int(NOW) + 30, (told,))


def test_the_last_failures_are_kept_and_long_ones_cut(tmp_path: Path) -> None:
    told = [Progress(Kind.FAILED, str(n), "x" * 9999) for n in range(50)]
    story = journal(tmp_path, *told)
    assert [where for where, _, _ in story.failures] == [
        str(n) for n in range(50 - KEPT, 50)
    ]
    assert (tmp_path / FILE).stat().st_size < 16_384


def test_what_is_not_acted_on_is_kept_once_and_through_every_round(
    tmp_path: Path,
) -> None:
    noted = Progress(Kind.NOTED, "directive 1", "left to it")
    other = Progress(Kind.NOTED, "directive 2", "left to it")
    trying = Progress(Kind.TRYING, "http://rv")
    wait = Progress(Kind.WAITING, "", "then again", 30)
    story = journal(tmp_path, noted, trying, other, trying, wait, noted, trying)
    assert story.notes == (("directive 2", "left to it"), ("directive 1", "left to it"))
    assert journal(tmp_path, *[noted] * 50).notes == (("directive 1", "left to it"),)


def test_a_story_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    old = '{"state": "waiting", "trying": "", "next_at": 7, "failures": []}'
    (tmp_path / FILE).write_text(old)
    assert Story.load(tmp_path) == Story("waiting", "", 7)


def test_an_owner_ends_the_story(tmp_path: Path) -> None:
    failed = Progress(Kind.FAILED, "http://rv", "no answer")
    story = journal(tmp_path, failed, Progress(Kind.TAKEN, "http://owner"))
    assert story == Story("taken", "http://owner")


def test_a_device_that_gave_up_says_so_and_why(tmp_path: Path) -> None:
    failed = Progress(Kind.FAILED, "http://rv", "no answer")
    story = journal(tmp_path, failed, Progress(Kind.GIVEN_UP, "after one round"))
    assert story == Story("given up", failures=(("http://rv", "no answer", int(NOW)),))


def test_a_device_that_is_made_anew_has_no_story(tmp_path: Path) -> None:
    journal(tmp_path, Progress(Kind.TAKEN, "http://owner"))
    forget(tmp_path)
    forget(tmp_path)
    assert Story.load(tmp_path) is None


def test_a_story_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    heard: list[Progress] = []
    Diary(tmp_path / "file", heard.append)(Progress(Kind.TRYING, "x"))
    assert len(heard) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"state":"x","failures":[1]}', b"\xff"]
)
def test_what_is_no_story_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DeviceError, match="unreadable"):
        Story.load(tmp_path)
