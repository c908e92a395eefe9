"""What the owner's modules did here, in words for who looks after the device."""

from dataclasses import dataclass

MAX_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done, or not: which module, and what became of it."""

    module: str
    ok: bool
    what: str

    def __str__(self) -> str:
        return f"{self.module}: {self.what}"


class Journal:
    """Keeps the first entries of one run; modules write, the onboarder reads."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @property
    def failures(self) -> tuple[Entry, ...]:
        """What went wrong, in order."""
        return tuple(one for one in self._entries if not one.ok)

    def done(self, module: str, what: str) -> None:
        self._add(Entry(module, True, what))

    def failed(self, module: str, what: str) -> None:
        self._add(Entry(module, False, what))

    def _add(self, entry: Entry) -> None:
        if len(self._entries) < MAX_ENTRIES:
            self._entries.append(entry)
