"""Modules of plug-ins on the device: those that its configuration names."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onboarding.device.modules.journal import Journal
from onboarding.plugins import DEVICE_GROUP, load
from onboarding.protocol.guard import GuardedDevice
from onboarding.protocol.modules import DeviceModule

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceHost:
    """What a plug-in on the device is told.

    ``directory`` is the plug-in's own, made when it is missing; ``settings`` is what
    ``modules.json`` says of it. ``done`` and ``failed`` write into the run's journal.
    """

    directory: Path
    serial: str
    settings: Mapping[str, Any]
    done: Callable[[str], None] = field(repr=False)
    failed: Callable[[str], None] = field(repr=False)


def plugged(
    wanted: Mapping[str, Mapping[str, Any]],
    directory: Path,
    serial: str,
    journal: Journal,
) -> tuple[DeviceModule, ...]:
    """Return the modules named in ``wanted``; one that cannot be had is left out.

    Why is in the log, and in the journal of the run.
    """
    plugins = load(DEVICE_GROUP)
    made: list[DeviceModule] = []
    for name, settings in wanted.items():
        make = plugins.found.get(name)
        if make is None:
            why = plugins.broken.get(name, "is not installed")
            journal.failed(name, f"plug-in {why}")
            continue
        try:
            own = directory / "plugins" / name
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
            host = _host(name, own, serial, settings, journal)
            made.append(GuardedDevice(make(host), name))
        except Exception as error:  # noqa: BLE001 - a stranger's code
            journal.failed(name, f"plug-in failed: {type(error).__name__}: {error}")
            log.warning("plug-in %s makes no module: %s", name, error)
    return tuple(made)


def _host(
    name: str,
    directory: Path,
    serial: str,
    settings: Mapping[str, Any],
    journal: Journal,
) -> DeviceHost:
    def done(what: str) -> None:
        journal.done(name, str(what)[:500])

    def failed(what: str) -> None:
        journal.failed(name, str(what)[:500])

    return DeviceHost(directory, serial, settings, done, failed)
