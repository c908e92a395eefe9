"""Protocol state between two messages, and tokens that were spent.

A device's messages may reach any replica, so a run is kept where all of them find it;
a run that is lost only means that the device starts again, so nothing is fsynced.
"""

from typing import Protocol

from onboarding.store.database import Database
from onboarding.store.file_runs import FileRuns
from onboarding.store.runs_file import RunsFile
from onboarding.store.table_runs import TableRuns


class RunStore(Protocol):
    """Runs by id and step; each call is one change, safe against races.

    Times are seconds since 1970. ``sealed`` is whatever bytes the caller wants
    back: it seals them itself.

    Raises:
        StoreUnavailable: From every method, when the store fails.
    """

    def spend(self, token_id: bytes, expires: int) -> bool:
        """Use a token up; False when it was used before.

        The memory of it lasts until ``expires``, when the token is dead anyway.
        """

    def begin(self, run_id: bytes, step: int, sealed: bytes, expires: int) -> bool:
        """Start a run; False when there is or was one of that id."""

    def load(self, run_id: bytes, now: int) -> tuple[int, bytes] | None:
        """The step and sealed state of a live run; None when there is none."""

    def advance(
        self, run_id: bytes, expected_step: int, new_step: int, sealed: bytes, now: int
    ) -> bool:
        """Move a live run on; False when it is not at ``expected_step`` (any more).

        Of two that race, one wins.
        """

    def finish(self, run_id: bytes, expected_step: int) -> bool:
        """End a run; False when it is not at ``expected_step``.

        A tombstone without state stays until the run would have expired, so
        that a late copy of its first message cannot begin it anew.
        """

    def prune(self, now: int) -> int:
        """Forget what expired; return how many runs and tokens that were."""

    def live(self, now: int) -> int:
        """How many runs are under way."""


def run_store(database: Database) -> RunStore:
    """Return the runs of a database, wherever it keeps them."""
    if isinstance(database.runs, RunsFile):
        return FileRuns(database.runs)
    return TableRuns(database.runs)
