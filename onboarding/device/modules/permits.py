"""What owners may do to this device in TO2, as its own configuration says.

``modules.json`` in the device's directory; without it an owner may put files into
``downloads`` there and certify a key that is made for it, and nothing else.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from onboarding.device.errors import DeviceError
from onboarding.device.modules import command, download, upload, wget

FILE = "modules.json"
_MAX_ENTRIES = 256
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MAX_CONFIG = 256 * 1024


@dataclass(frozen=True, slots=True)
class Permits:
    """An empty list leaves its module out: the device does not even name it.

    Args:
        downloads: Where fdo.download and fdo.wget put files; a relative path begins
            in the device's directory.
        uploads: Files, or directories, that may be given away; absolute paths.
        commands: Programs by their absolute path, each with its arguments word for
            word; a last word ``*`` permits any further ones.
        urls: http and https URLs below which may be fetched.
        certificates: Whether an owner may certify a key that is made for it.
        inventory: Whether an owner is told what the machine is made of.
        conformance: Whether a conformance lab's token is taken (fido_alliance).
        plugins: Modules of installed plug-ins by their names, each with its settings.
        file_bytes, upload_bytes, output_bytes: The longest file taken, the longest
            one given, and what is kept of a program's output.
        command_seconds, fetch_seconds: After these, programs and fetches are ended.
    """

    downloads: str = "downloads"
    uploads: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    urls: tuple[str, ...] = ()
    certificates: bool = True
    inventory: bool = True
    conformance: bool = False
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file_bytes: int = download.MAX_FILE
    upload_bytes: int = upload.MAX_FILE
    output_bytes: int = command.MAX_OUTPUT
    command_seconds: float = command.SECONDS
    fetch_seconds: float = wget.SECONDS

    def __post_init__(self) -> None:
        _check(bool(self.downloads), "downloads names no directory")
        for path in self.uploads:
            _check(path.startswith("/"), f"{path!r} in uploads is not absolute")
        for words in self.commands:
            program = words[0] if words else ""
            _check(program.startswith("/"), f"{words!r} in commands is not absolute")
        for url in self.urls:
            web = url.startswith(("https://", "http://"))
            _check(web and wget.permits([url], url), f"{url!r} in urls is no plain URL")
        for size in (self.file_bytes, self.upload_bytes, self.output_bytes):
            _check(0 < size <= 1 << 32, "sizes are from 1 byte to 4 GiB")
        for seconds in (self.command_seconds, self.fetch_seconds):
            _check(0 < seconds <= 3600, "times are up to 3600 seconds")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the file in ``directory``, if there is one.

        Raises:
            DeviceError: It cannot be read, or says what we do not know.
        """
        path = directory / FILE
        try:
            with path.open("rb") as file:
                document = json.loads(file.read(_MAX_CONFIG))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, RecursionError) as error:
            raise DeviceError(f"{path} is unreadable: {error}") from error
        try:
            return cls(**_values(document))
        except (DeviceError, TypeError) as error:
            raise DeviceError(f"{path}: {error}") from error


def _values(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise DeviceError("not a JSON object")
    kinds = {one.name: one.default for one in fields(Permits)}
    found: dict[str, Any] = {}
    for name, value in document.items():
        _check(name in kinds, f"{name!r} is unknown")
        found[name] = _value(name, value, kinds[name])
    return found


def _value(name: str, value: object, default: object) -> object:
    """Read one member, of the kind that its default has."""
    if name == "plugins":
        return _plugins(value)
    if isinstance(default, tuple):
        return _commands(value) if name == "commands" else _texts(name, value)
    if isinstance(default, str):
        _check(isinstance(value, str), f"{name} is no text")
        return value
    if isinstance(default, bool):
        _check(isinstance(value, bool), f"{name} is neither true nor false")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    _check(number, f"{name} is no number")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_ENTRIES:
        raise DeviceError(f"{name} is no list of at most {_MAX_ENTRIES}")
    _check(all(isinstance(one, str) for one in value), f"{name} holds more than text")
    return tuple(value)


def _commands(value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or len(value) > _MAX_ENTRIES:
        raise DeviceError(f"commands is no list of at most {_MAX_ENTRIES}")
    return tuple(_texts("commands", one) for one in value)


def _plugins(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > _MAX_ENTRIES:
        raise DeviceError(f"plugins is no object of at most {_MAX_ENTRIES}")
    for name, settings in value.items():
        _check(bool(_MODULE.fullmatch(name)), f"{name!r} is no module's name")
        _check(isinstance(settings, dict), f"the settings of {name} are no object")
    return value


def _check(holds: bool, why: str) -> None:
    if not holds:
        raise DeviceError(why)
