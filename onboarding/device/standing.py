"""What a device remembers of its workload and of its owner's last word on it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from onboarding.device.applier import FileDigest
from onboarding.device.config import write_private
from onboarding.device.errors import DeviceError
from ownership_vouchers.types import Guid

FILE = "workload.json"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the device did last; kept, so that a lost report can be sent again.

    ``guid`` is under which: another owner's clock says nothing about this one's word.

    Times are the owner's: ``issued_at`` of the ticket it came with, ``ordered_at`` of
    the last removal order obeyed. Without a name nothing has been applied yet; with an
    order and without files, what was applied is gone.
    """

    name: str
    version: int
    digest: str
    paths: tuple[str, ...]
    issued_at: int
    guid: str = ""
    files: tuple[FileDigest, ...] = ()
    reported: bool = False
    ordered_at: int = 0

    def not_before(self, guid: Guid) -> int:
        """The earliest ticket to obey: what the owner said since must not be undone."""
        if self.guid != str(guid):
            return 0
        return max(self.issued_at, self.ordered_at + 1)

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Return what ``save`` wrote, None before the first time."""
        path = directory / FILE
        try:
            document = json.loads(path.read_bytes())
            files = tuple(FileDigest(**one) for one in document["files"])
            paths = tuple(document["paths"])
            return cls(**{**document, "paths": paths, "files": files})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DeviceError(f"{path} is unreadable: {error}") from error

    def describe(self) -> str | None:
        """One line for people; None when nothing stands."""
        if not self.name or (self.ordered_at and not self.files):
            return None
        count = f"{len(self.paths)} file{'' if len(self.paths) == 1 else 's'}"
        text = f"{self.name} {self.version}, {count}, {self.digest[:16]}"
        return f"{text}, to be removed" if self.ordered_at else text

    def save(self, directory: Path) -> None:
        write_private(directory / FILE, json.dumps(asdict(self)).encode())
