"""Which command is called, before any is imported: by arguments, or by a Tab."""

import os
from collections.abc import Collection, Sequence

COMPLETING = "_VOUCHGATE_COMPLETE"
# What shells say has been typed so far, in Typer's scripts for them.
TYPED = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
# Options before any command that have a value behind them.
VALUED = frozenset(
    {"--profile", "--token-file", "--client-certificate", "--client-key"}
    | {"--client-key-passphrase-file"}
)
# Options that need no command.
ALONE = frozenset({"--version", "--install-completion", "--show-completion"})


def words_behind(arguments: Sequence[str]) -> Sequence[str]:
    """The command and what stands behind it, without the options before it."""
    start = 0
    while start < len(arguments) and arguments[start].startswith("-"):
        start += 2 if arguments[start] in VALUED else 1
    return arguments[start:]


def needed(
    arguments: Sequence[str], commands: Collection[str]
) -> tuple[Collection[str], Sequence[str]]:
    """Return the commands that must be imported, and what stands behind the one.

    Args:
        arguments: As of ``sys.argv``, without the program; empty when a shell asks.
        commands: Which there are.
    """
    typed = _typed() if COMPLETING in os.environ else arguments
    words = words_behind(typed)
    if not words and not ALONE.isdisjoint(typed):
        return (), ()
    if not words or words[0] not in commands:
        return commands, ()
    return (words[0],), words[1:]


def _typed() -> Sequence[str]:
    """What was typed, up to the word under the cursor, which may be an empty one.

    A word that still grows calls nothing: ``device`` may become ``device-key``.
    """
    text = next((os.environ[name] for name in TYPED if name in os.environ), "")
    words = text.split()[1:]
    grows = bool(text) and not text[-1].isspace()
    return words[:-1] if grows and len(words_behind(words)) == 1 else words
