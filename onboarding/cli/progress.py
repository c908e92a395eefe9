"""How far a long command is, for who looks on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


@contextmanager
def progress(
    words: str, total: int, *, as_json: bool
) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; what is yielded is told how many more are done.

    Nothing is shown with ``--json``, nor where standard error is no terminal.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(
        *columns,
        console=Console(file=sys.stderr),
        disable=as_json or not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(words, total=total)
        yield lambda done: bar.advance(task, done)
