"""The machine's network interfaces as Linux shows them."""

from hw.sysfiles import SysFiles
from onboarding.net_stream import BIND
from onboarding.protocol.rv_medium import Interface

_NET = "sys/class/net"
_ETHERNET = 1  # ARPHRD_ETHER, which wireless interfaces have, too


def interfaces_of(files: SysFiles) -> tuple[Interface, ...] | None:
    """Return those that have a network of their own; None where nothing says it.

    Bridges, their ports, VLANs, bonds and tunnels are made of others and left out.
    """
    if BIND is None or not files.exists(_NET):
        return None
    found = []
    for name in files.names(_NET):
        at = f"{_NET}/{name}"
        wireless = files.exists(f"{at}/wireless") or files.exists(f"{at}/phy80211")
        if files.number(f"{at}/type") == _ETHERNET and not _is_made(files, at):
            found.append(Interface(name, wireless))
    return tuple(found)


def interfaces() -> tuple[Interface, ...] | None:
    """Return those of this machine, as they are now."""
    return interfaces_of(SysFiles())


def _is_made(files: SysFiles, at: str) -> bool:
    if any(files.exists(f"{at}/{one}") for one in ("bridge", "brport", "tun_flags")):
        return True
    lines = (files.raw(f"{at}/uevent") or b"").splitlines()
    return any(
        line.startswith(b"DEVTYPE=") and line != b"DEVTYPE=wlan" for line in lines
    )
