"""Runs ``vouchgate`` as often as a shell calls it, without loading it each time.

A process that has loaded every command forks for each call. What the shell calls is a
program of a few lines, which hands over its arguments, environment, directory and open
files, and ends as the command ends.
"""

import json
import os
import select
import socket
import sys
from pathlib import Path

SHIM = """#!{python} -IS
import json, os, signal, socket, sys
call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
with socket.socket(socket.AF_UNIX) as line:
    line.connect({path!r})
    socket.send_fds(line, [len(call).to_bytes(4, "big")], [0, 1, 2])
    line.sendall(call)
    runs = int.from_bytes(line.recv(4, socket.MSG_WAITALL), "big")
    signal.signal(signal.SIGTERM, lambda *_: os.kill(runs, signal.SIGTERM))
    ended = line.recv(1)
sys.exit(ended[0] if ended else 70)
"""


def write_shim(path: Path, at: Path) -> None:
    """Write the program that a shell calls; ``at`` is where the server listens."""
    python = os.path.realpath(sys.executable)
    path.write_text(SHIM.format(python=python, path=str(at)))
    path.chmod(0o755)


def main(at: str) -> None:
    """Serve calls until standard input ends."""
    import typer.main

    from onboarding.cli.app import command_line

    typer.main.get_group(command_line([]))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(at)
        listening.listen(16)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            own = listening.fileno()
            heard, _, _ = select.select([own, 0], [], [])
            if 0 in heard:  # the test holds it: when that ends, so do we
                return
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _answer(line)
            line.close()
            _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _answer(line: socket.socket) -> None:
    """Be the command that was called; ends the process."""
    from onboarding.cli.app import run

    head, files, _, _ = socket.recv_fds(line, 4, 3)
    size, call = int.from_bytes(head, "big"), b""
    while len(call) < size:
        call += line.recv(size - len(call))
    line.sendall(os.getpid().to_bytes(4, "big"))
    arguments, environment, directory = json.loads(call)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    code = 70
    try:
        code = run(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
