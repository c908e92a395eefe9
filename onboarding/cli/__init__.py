"""The one command, ``vouchgate``.

Exit codes: 0 ok; 1 a check failed, or what was asked could not be done, named on
stderr; 2 a file that cannot be read, or wrong usage. 130 after Ctrl-C.
"""

import sys


def main() -> None:
    """Run the command line and exit."""
    from onboarding.cli.app import run

    sys.exit(run(sys.argv[1:]))
