"""Run one of Keylime's programs in the foreground, as a container does.

``python -m attestation.keylime pki --pki DIR --host NAME...`` makes the certificates
that both programs and the owner service share, unless they are there;
``python -m attestation.keylime registrar|verifier --directory DIR --pki DIR`` becomes
that program. SIGTERM ends it with all its workers.
"""

import argparse
import os
import sys
from pathlib import Path

from attestation.keylime.errors import KeylimeError
from attestation.keylime.launch import (
    PROGRAMS,
    program_command,
    program_environment,
    write_configuration,
)
from attestation.keylime.pgp import find_pgp
from attestation.keylime.pki import LOOPBACK, Pki, ensure_pki
from attestation.keylime.processes import supervised
from attestation.keylime.results import VerifierMode
from attestation.keylime.settings import HOST, Ports, StackOptions


def main(arguments: list[str]) -> int:
    """Return the exit status, unless it becomes the program asked for."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        if asked.what == "pki":
            ensure_pki(asked.pki, asked.host or LOOPBACK)
            return 0
        return _become(asked)
    except (KeylimeError, ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _become(asked: argparse.Namespace) -> int:
    directory: Path = asked.directory.absolute()
    pki = Pki(asked.pki.absolute())
    if not pki.ca.is_file():
        raise KeylimeError(f"no certificates in {pki.directory}: run 'pki' first")
    options = StackOptions(
        quote_interval=asked.quote_interval,
        mode=VerifierMode(asked.mode),
        webhook_url=asked.webhook_url,
    )
    ports = Ports(asked.http_port, asked.tls_port, asked.verifier_port, asked.bind)
    write_configuration(directory, pki, ports, options)
    pgp = find_pgp(directory / "python-path")
    environment = program_environment(directory, asked.what, pgp)
    command = supervised(program_command(asked.what), options.stop_grace)
    # Nobody holds us here: a pipe to ourselves takes the lifeline's place on stdin.
    readable, writable = os.pipe()
    os.dup2(readable, 0)
    os.set_inheritable(writable, True)
    os.chdir(directory / asked.what)
    os.execve(command[0], command, environment)  # noqa: S606 - paths of our own making


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m attestation.keylime", description="Run one Keylime program."
    )
    parser.add_argument("what", choices=("pki", *PROGRAMS))
    parser.add_argument("--pki", type=Path, required=True, help="certificates")
    parser.add_argument("--host", action="append", help="name in the certificates")
    parser.add_argument("--directory", type=Path, default=Path(), help="work directory")
    parser.add_argument("--bind", default=HOST, help="address to listen on")
    parser.add_argument("--http-port", type=int, default=8890, help="registrar, plain")
    parser.add_argument("--tls-port", type=int, default=8891, help="registrar, mTLS")
    parser.add_argument("--verifier-port", type=int, default=8881)
    parser.add_argument("--quote-interval", type=int, default=60, help="seconds")
    parser.add_argument("--mode", choices=("push", "pull"), default="push")
    parser.add_argument("--webhook-url", default="", help="told of failures, pull")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
