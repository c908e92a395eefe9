"""What a guest runs: commands of ``vouchgate`` that come over its serial line.

One process for all of them, since under emulation each start takes many seconds. A line
is a JSON array of the command's words; the answer is a line with exit code and output.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout


def serve() -> None:
    """Answer until the line says that it is enough."""
    from onboarding.cli.app import run

    answer, said = sys.stdout, io.StringIO()
    print("READY", file=answer, flush=True)
    for line in sys.stdin:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = run(json.loads(line))
        print(json.dumps([code, said.getvalue()]), file=answer, flush=True)


if __name__ == "__main__":
    serve()
