"""Where the processes of a group listen, as the kernel says."""

import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_LISTEN = "0A"
_TABLES = ("tcp", "tcp6", "udp", "udp6")


def listening(group: int) -> set[tuple[str, str, int]]:
    """Protocol, address and port of every socket of the group that takes callers."""
    held = {inode for pid in _members(group) for inode in _sockets(pid)}
    return {
        where for table in _TABLES for inode, where in _rows(table) if inode in held
    }


def _members(group: int) -> Iterator[Path]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    yield entry
            except ProcessLookupError:
                pass


def _sockets(process: Path) -> Iterator[str]:
    for descriptor in (process / "fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _rows(table: str) -> Iterator[tuple[str, tuple[str, str, int]]]:
    for line in Path("/proc/net", table).read_text().splitlines()[1:]:
        words = line.split()
        local, state, inode = words[1], words[3], words[9]
        if table.startswith("udp") or state == _LISTEN:
            address, _, port = local.rpartition(":")
            yield inode, (table.rstrip("6"), _address(address), int(port, 16))


def _address(digits: str) -> str:
    """The kernel prints words of 32 bits in the machine's order."""
    raw = b"".join(
        int(digits[at : at + 8], 16).to_bytes(4, "little")
        for at in range(0, len(digits), 8)
    )
    return str(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw))
