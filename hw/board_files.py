"""Files of board profiles: those that come along, and an operator's own beside them."""

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from hw.errors import HwError

VARIABLE = "VOUCHGATE_BOARDS"  # names the directory of an operator's own
MAX_FILE = 64 * 1024
MAX_FILES = 256
_SCHEMA = "schema.json"


def shipped() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that comes along, by name."""
    files = resources.files("hw").joinpath("boards").iterdir()
    for name, file in sorted((file.name, file) for file in files):
        if name.endswith(".json") and name != _SCHEMA:
            yield name.removesuffix(".json"), file.read_bytes()


def own() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of the operator's, by name; none without one.

    A copy of ``schema.json`` may lie beside them, for editors.

    Raises:
        HwError: The directory cannot be read, or has too much in it.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return
    try:
        paths = sorted(Path(named).iterdir())
        found = [one for one in paths if one.suffix == ".json" and one.name != _SCHEMA]
        if len(found) > MAX_FILES:
            raise HwError(f"{VARIABLE}: {named} has over {MAX_FILES} boards")
        for path in found:
            with path.open("rb") as file:
                yield path.stem, file.read(MAX_FILE + 1)
    except OSError as error:
        raise HwError(f"{VARIABLE}: {named}: {error.strerror}") from error
