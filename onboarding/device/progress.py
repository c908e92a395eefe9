"""What onboarding tries, what failed where, and when it tries next: told and kept."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum, unique
from pathlib import Path
from typing import Self

from onboarding.device.config import write_private
from onboarding.device.errors import DeviceError

FILE = "onboarding.json"
KEPT = 16  # failures that the file has room for
_DETAIL = 500  # characters


@unique
class Kind(StrEnum):
    """What happens."""

    SKIPPED = "skipped"
    NOTED = "note"
    TRYING = "trying"
    FAILED = "failed"
    WAITING = "waiting"
    TAKEN = "taken"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened on the way to the owner.

    ``where`` names the server, or the directive that leads to none; ``seconds`` is how
    long a wait takes.
    """

    kind: Kind
    where: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """One line for people."""
        match self.kind:
            case Kind.WAITING:
                return f"{self.seconds:.0f} s, {self.detail}"
            case Kind.SKIPPED | Kind.NOTED | Kind.FAILED:
                return f"{self.where}: {self.detail}"
        return self.where


Tell = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Story:
    """How far onboarding has come, as ``status`` shows it; times in s since 1970.

    ``failures`` are the last ones: place, reason and time. ``notes`` say of which
    directive what is not acted on.
    """

    state: str
    trying: str = ""
    next_at: int | None = None
    failures: tuple[tuple[str, str, int], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Return what a `Diary` kept, None before the first time.

        Raises:
            DeviceError: It is unreadable.
        """
        path = directory / FILE
        try:
            document = json.loads(path.read_bytes())
            told = [(str(w), str(d), int(at)) for w, d, at in document["failures"]]
            notes = tuple((str(w), str(d)) for w, d in document.get("notes", ()))
            return cls(**{**document, "failures": tuple(told), "notes": notes})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DeviceError(f"{path} is unreadable: {error}") from error


def forget(directory: Path) -> None:
    """Drop what is kept: it was another device's story."""
    (directory / FILE).unlink(missing_ok=True)


@dataclass(slots=True)
class Diary:
    """Keeps in the device's directory what it is told, and passes it on."""

    directory: Path
    tell: Tell = silent
    clock: Callable[[], float] = time.time
    _story: Story = field(default_factory=lambda: Story("trying"))

    def __call__(self, progress: Progress) -> None:
        self._story = self._after(progress)
        if progress.kind is not Kind.SKIPPED:
            text = json.dumps(asdict(self._story), indent=2)
            with suppress(DeviceError):  # onboarding is worth more than its story
                write_private(self.directory / FILE, text.encode())
        self.tell(progress)

    def _after(self, progress: Progress) -> Story:
        now, story = int(self.clock()), self._story
        match progress.kind:
            case Kind.TRYING:
                return replace(
                    story, state="trying", trying=progress.where, next_at=None
                )
            case Kind.NOTED:
                noted = (progress.where, progress.detail[:_DETAIL])
                known = tuple(one for one in story.notes if one != noted)
                return replace(story, notes=(*known, noted)[-KEPT:])
            case Kind.FAILED:
                failed = (progress.where, progress.detail[:_DETAIL], now)
                return replace(story, failures=(*story.failures, failed)[-KEPT:])
            case Kind.WAITING:
                next_at = now + round(progress.seconds)
                return replace(story, state="waiting", trying="", next_at=next_at)
            case Kind.TAKEN:
                return Story("taken", progress.where)
            case Kind.GIVEN_UP:
                return replace(story, state="given up", trying="", next_at=None)
        return story
