"""Labels of devices, as they are written on a command line."""

from collections.abc import Iterable

from onboarding.cli.output import unusable


def label_of(text: str) -> tuple[str, str]:
    """Name and value of ``name=value``. Raises CliError (exit code 2)."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise unusable(f"{text} is no label", "Write name=value, as in site=berlin.")
    return name, value


def labels_of(given: Iterable[str] | None) -> dict[str, str]:
    """All of them; of one name, the last. Raises CliError (exit code 2)."""
    return dict(map(label_of, given or ()))
