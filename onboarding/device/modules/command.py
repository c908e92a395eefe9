"""``fdo.command`` on the device: a program the owner wants run, if it is permitted.

Source: FIDO FDO ServiceInfo modules, fdo.command.
"""

from collections.abc import Sequence

from onboarding.device.modules.journal import Journal
from onboarding.device.modules.running import NOT_PERMITTED, Ended, run
from onboarding.protocol.errors import ModuleStopped
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor

ANY = "*"
CHUNK = 1014  # bytes of one output message
MAX_ARGUMENTS = 64
MAX_TEXT = 1024
MAX_OUTPUT = 64 * 1024  # bytes of each output, the last ones
SECONDS = 60.0


def permits(permitted: Sequence[Sequence[str]], argv: Sequence[str]) -> bool:
    """Tell whether ``argv`` is among ``permitted``, word for word.

    A last word ``*`` stands for any further arguments, or none.
    """
    for words in permitted:
        open_end = words[-1] == ANY
        fixed = tuple(words[:-1] if open_end else words)
        given = tuple(argv[: len(fixed)] if open_end else argv)
        if fixed == given:
            return True
    return False


class CommandModule:
    """Runs programs that are permitted, one at a time, without a shell.

    The owner waits meanwhile; ``sig`` comes too late for any of them. One that is
    not permitted ends as shells have it, with exit code 126.
    """

    name = "fdo.command"

    def __init__(
        self,
        permitted: Sequence[Sequence[str]],
        seconds: float = SECONDS,
        output: int = MAX_OUTPUT,
        journal: Journal | None = None,
    ) -> None:
        self._permitted = tuple(tuple(words) for words in permitted)
        self._seconds = seconds
        self._output = output
        self._journal = journal or Journal()
        self._reset()

    def _reset(self) -> None:
        self._command = ""
        self._arguments: tuple[str, ...] = ()
        self._may_fail = self._stdout = self._stderr = False

    def activated(self) -> Sequence[Message]:
        """Wait for an order."""
        self._reset()
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take one message; ``execute`` is answered when the program has ended.

        Raises:
            MalformedError: The value is not of the message's type.
            ModuleStopped: The program failed, and may not.
        """
        item = cbor.decode(value)
        match message:
            case "command":
                self._command = cbor.tstr(item, limit=MAX_TEXT)
            case "args":
                self._arguments = _arguments(item)
            case "may_fail":
                self._may_fail = cbor.boolean(item)
            case "return_stdout":
                self._stdout = cbor.boolean(item)
            case "return_stderr":
                self._stderr = cbor.boolean(item)
            case "execute":
                return self._execute()
        return []

    def _execute(self) -> Sequence[Message]:
        argv = (self._command, *self._arguments)
        stdout, stderr, may_fail = self._stdout, self._stderr, self._may_fail
        self._reset()
        ended = self._run(argv)
        what = f"{argv[0]!r} ended with exit code {ended.exit_code}"
        if ended.exit_code == 0:
            self._journal.done(self.name, what)
        else:
            self._journal.failed(self.name, what)
        if ended.exit_code and not may_fail:
            raise ModuleStopped(self.name, f"{what}, and may not fail")
        messages = _pieces("stdout", ended.stdout) if stdout else []
        messages += _pieces("stderr", ended.stderr) if stderr else []
        return [*messages, ("exitcode", cbor.encode(ended.exit_code))]

    def _run(self, argv: tuple[str, ...]) -> Ended:
        if not permits(self._permitted, argv):
            self._journal.failed(self.name, f"{argv[0]!r} is not permitted like that")
            return Ended(NOT_PERMITTED, stderr=b"not permitted on this device\n")
        return run(argv, self._seconds, self._output)


def _arguments(item: object) -> tuple[str, ...]:
    """Some owners wrap the array in a byte string."""
    if isinstance(item, bytes):
        item = cbor.decode(item)
    texts = cbor.array(item, limit=MAX_ARGUMENTS)
    return tuple(cbor.tstr(one, limit=MAX_TEXT) for one in texts)


def _pieces(message: str, output: bytes) -> list[Message]:
    starts = range(0, len(output), CHUNK)
    return [(message, cbor.encode(output[at : at + CHUNK])) for at in starts]
