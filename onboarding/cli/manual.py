"""``vouchgate manual``: a manual page for each command, written from the commands.

Typer brings its own Click, so generators for the other one see no command in it.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from onboarding.cli.files import write_file
from onboarding.cli.output import Json, console, plain, print_json, unusable
from onboarding.cli.roff import Page, Term, render

NAME = "vouchgate"
EXITS = (
    Term("0", "", "Done; for commands that check something: and all is well."),
    Term("1", "", "Refused or failed, or what was checked is not well."),
    Term("2", "", "Arguments, settings or files that cannot be used."),
    Term("130", "", "Stopped by Ctrl-C."),
)
PROFILES = "$XDG_CONFIG_HOME/vouchgate/profiles.toml"


def manual(
    directory: Annotated[Path, typer.Argument(help="Where they go: …/man/man1.")],
    json: Json = False,
) -> None:
    """Write the manual pages, one for each command.

    In ~/.local/share/man/man1 and /usr/local/share/man/man1 man(1) finds them.
    """
    from onboarding.cli.app import command_line  # which names this module

    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(f"{directory}: {error.strerror}", "Name another.") from error
    count = 0
    for page in pages(typer.main.get_group(command_line([]))):
        write_file(directory / f"{page.title}.1", render(page).encode("ascii"))
        count += 1
    if json:
        return print_json({"directory": str(directory), "pages": count})
    console().print(f"{count} pages written to {plain(directory)}")


def pages(group: Any) -> Iterator[Page]:
    """One page for the command line, and one for each group and command of it.

    Args:
        group: Typer's own Click group; its classes have no public name.
    """
    try:
        release = f"{NAME} {version('vouchgate')}"
    except PackageNotFoundError:
        release = NAME
    yield from _pages(group, (NAME,), release)


def _pages(command: Any, words: tuple[str, ...], release: str) -> Iterator[Page]:
    inner = getattr(command, "commands", {})
    yield _page(command, words, inner, release)
    for name, one in inner.items():
        if not one.hidden:
            yield from _pages(one, (*words, name), release)


def _page(
    command: Any, words: tuple[str, ...], inner: dict[str, Any], release: str
) -> Page:
    first, *rest = _paragraphs(command.help or "")
    options = [one for one in command.params if one.param_type_name == "option"]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    names = [(command, name, one) for name, one in inner.items() if not one.hidden]
    called = " ".join(words)
    return Page(
        "-".join(words),
        release,
        first.rstrip("."),
        ((called, _placed(command, arguments, inner)),),
        (
            ("DESCRIPTION", rest),
            ("ARGUMENTS", [*map(_argument, arguments)]),
            ("COMMANDS", [_named(one, name) for _, name, one in names]),
            ("OPTIONS", [*(_option(command, one) for one in options), _HELP]),
            ("EXIT STATUS", () if inner else EXITS),
            ("FILES", (Term(PROFILES, "", "What --profile names."),)),
            ("SEE ALSO", _see_also(words, inner)),
        ),
    )


def _paragraphs(help_: str) -> list[str]:
    """The first sentence, which is a page's name; and what follows."""
    first, _, more = help_.partition("\n\n")
    sentence, _, rest = first.partition(". ")
    return [sentence, *filter(None, [rest, *more.split("\n\n")])]


_HELP = Term("--help", "", "Print this in short, and exit.")


def _placed(command: Any, arguments: list[Any], inner: dict[str, Any]) -> str:
    if inner:
        return "[OPTION]... COMMAND [ARGUMENT]..."
    return " ".join(["[OPTION]...", *map(_argued, arguments)])


def _argued(one: Any) -> str:
    """An argument as it stands in a synopsis."""
    name = str(one.metavar or one.name)
    if one.metavar is None:
        name = name.upper() + ("..." if one.nargs != 1 else "")
    return name if one.required or name.startswith("[") else f"[{name}]"


def _value(command: Any, one: Any) -> str:
    """What an option is given: one of some words, or a kind of value."""
    said = str(one.make_metavar(ctx=command.context_class(command))).strip("<>")
    return _KINDS.get(said.removesuffix(" range"), said)


_KINDS = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "path": "PATH"}


def _named(command: Any, name: str) -> Term:
    return Term(name, "", (command.help or "").split("\n\n")[0])


def _argument(one: Any) -> Term:
    return Term(_argued(one), "", one.help or "")


def _option(command: Any, one: Any) -> Term:
    names = ", ".join([*one.opts, *one.secondary_opts])
    value = "" if one.is_flag else _value(command, one)
    return Term(names, value, " ".join(_meaning(one)))


def _meaning(one: Any) -> Iterator[str]:
    yield one.help or ""
    if one.required:
        yield "Needed."
    elif not one.is_flag and one.default is not None and one.show_default:
        yield f"Otherwise: {getattr(one.default, 'value', one.default)}."
    if one.multiple:
        yield "May be repeated."
    if one.envvar:
        yield f"Or by the variable {one.envvar}."


def _see_also(words: tuple[str, ...], inner: dict[str, Any]) -> tuple[str, ...]:
    above = ["-".join(words[:end]) for end in range(1, len(words))]
    below = ["-".join((*words, name)) for name in inner]
    found = ", ".join(f"{one}(1)" for one in (*above, *below))
    return (found,) if found else ()
