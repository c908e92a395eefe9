"""Runs a program at a terminal of its own, and answers what it asks for.

``python -m tests.support.at_terminal FILE PROGRAM ARGUMENT...``: a line of the file is
typed each time that the program has asked, that is, printed a colon and a blank.
"""

import os
import pty
import sys
from pathlib import Path


def main(answers: str, *command: str) -> int:
    """Return the program's exit code."""
    lines = Path(answers).read_text().splitlines(keepends=True)

    def read(terminal: int) -> bytes:
        said = os.read(terminal, 1024)
        if said.endswith(b": ") and lines:
            os.write(terminal, lines.pop(0).encode())
        return said

    ended = pty.spawn(command, read, lambda _: b"")
    return os.waitstatus_to_exitcode(ended)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
