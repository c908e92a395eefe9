"""``fdo.command``, the owner's side: have the device run a program.

    owner                                   device
    active, command, args, may_fail,
    return_stdout, return_stderr, execute -->
                                  <-------  stdout..., stderr..., exitcode

Source: FIDO FDO ServiceInfo modules, fdo.command.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import Self

from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor

NAME = "fdo.command"
MAX_COMMAND = 1024  # characters
MAX_ARGUMENTS = 64
TAIL = 4096  # bytes kept of each of the two outputs
_OLD_DEVICE = "fdo_sys"  # only devices of that family name it
_ASK, _RUN, _END = range(3)


@unique
class Arguments(StrEnum):
    """How ``args`` is said: implementations do not agree on the module's text."""

    AUTO = "auto"  # by what else the device has
    WRAPPED = "wrapped"  # a byte string that holds the array
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class _State:
    phase: int = _ASK
    exit_code: int = 0
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)
    size: int = 0  # bytes of output, those that were not kept included

    def to_item(self) -> list[object]:
        return [self.phase, self.exit_code, self.stdout, self.stderr, self.size]

    @classmethod
    def of(cls, item: object) -> Self:
        phase, exit_code, stdout, stderr, size = cbor.array(item, 5)
        return cls(
            cbor.uint(phase, 8),
            cbor.integer(exit_code),
            cbor.bstr(stdout, limit=TAIL),
            cbor.bstr(stderr, limit=TAIL),
            cbor.uint(size, 64),
        )


@dataclass(frozen=True, slots=True)
class CommandModule:
    """Runs one program; anything but exit code 0 is a failure unless it may fail.

    The device is always told that the program may fail: one that ends TO2 by
    itself could not tell how the program went. The exit code is judged here.

    Args:
        command: The program, 1 to 1024 characters; the device decides what it runs.
        arguments: At most 64, of at most 1024 characters each.
    """

    command: str
    arguments: tuple[str, ...] = ()
    may_fail: bool = False
    stdout: bool = True
    stderr: bool = True
    form: Arguments = Arguments.AUTO
    required: bool = True
    name: str = NAME

    def __post_init__(self) -> None:
        if not 0 < len(self.command) <= MAX_COMMAND:
            raise ValueError(f"command of {len(self.command)} characters")
        if len(self.arguments) > MAX_ARGUMENTS:
            raise ValueError(f"{len(self.arguments)} arguments")
        if any(len(one) > MAX_COMMAND for one in self.arguments):
            raise ValueError(f"an argument over {MAX_COMMAND} characters")

    def start(self, ctx: ModuleContext) -> object:
        """Return the state before anything was asked."""
        return _State().to_item()

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take output, of which the tail is kept, or the exit code that ends it.

        Raises:
            MessageRefused: Output or an exit code of nothing that runs.
        """
        now = _State.of(state)
        if message not in ("stdout", "stderr", "exitcode"):
            return state
        if now.phase != _RUN:
            raise MessageRefused(f"{self.name}:{message} with no program running")
        item = cbor.decode(value)
        if message == "exitcode":
            code = cbor.integer(item)
            return replace(now, phase=_END, exit_code=code).to_item()
        chunk = cbor.bstr(item)
        size = now.size + len(chunk)
        if message == "stdout":
            tail = (now.stdout + chunk)[-TAIL:]
            return replace(now, stdout=tail, size=size).to_item()
        return replace(now, stderr=(now.stderr + chunk)[-TAIL:], size=size).to_item()

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Give the order once; then listen."""
        now = _State.of(state)
        if now.phase == _END:
            return state, [], Progress.DONE
        if now.phase == _RUN:
            return state, [], Progress.WAITING
        messages: list[Message] = [("command", cbor.encode(self.command))]
        if self.arguments:  # an empty array is refused by some
            messages.append(("args", self._arguments(ctx)))
        messages += [
            ("may_fail", cbor.encode(True)),
            ("return_stdout", cbor.encode(self.stdout)),
            ("return_stderr", cbor.encode(self.stderr)),
            # Of value null, which those of that family take for a fault.
            ("execute", cbor.encode(True if self._bare(ctx) else None)),
        ]
        return replace(now, phase=_RUN).to_item(), messages, Progress.WAITING

    def _arguments(self, ctx: ModuleContext) -> bytes:
        array = cbor.encode(list(self.arguments))
        return array if self._bare(ctx) else cbor.encode(array)

    def _bare(self, ctx: ModuleContext) -> bool:
        return self.form is Arguments.ARRAY or (
            self.form is Arguments.AUTO and _OLD_DEVICE in ctx.modules
        )

    def result(self, state: object) -> ModuleResult:
        """``facts``: ``item``, ``bytes`` of output, ``exit_code`` and the tails."""
        now = _State.of(state)
        facts: dict[str, object] = {
            "item": self.command,
            "bytes": now.size,
            "exit_code": now.exit_code,
            "stdout": now.stdout,
            "stderr": now.stderr,
        }
        detail = f"{self.command} ended with exit code {now.exit_code}"
        ok = self.may_fail or now.exit_code == 0
        return ModuleResult(self.name, ok, detail, facts)
