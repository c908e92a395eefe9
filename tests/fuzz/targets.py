"""All fuzz targets by name, and their seeds as files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tests.fuzz import (
    device_modules,
    evidence,
    exchanges,
    formats,
    messages,
    modules,
)
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    one.name: one
    for group in (formats, exchanges, messages, modules, device_modules, evidence)
    for one in group.TARGETS
}
FOUND = Path(__file__).parent / "found"
"""Inputs that broke something once, by target: they stay mended."""


def seeds_of(target: Target) -> list[bytes]:
    """Return the inputs to start from, those that once broke something first."""
    found = sorted((FOUND / target.name).glob("*"))
    return [path.read_bytes() for path in found] + list(target.seeds())


def write_seeds(target: Target, folder: Path) -> None:
    """Put the seeds where a fuzzer looks for them, named by their digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds_of(target):
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
