"""The machine's network interfaces as Linux shows them, and a way through one of them.

A socket is bound to its interface before it connects, so that nothing leaves by another
one, whatever the routes say; Linux asks no privilege for it since 5.7.
"""

import socket
import ssl
from collections.abc import Iterable

import httpcore
import httpx
from httpcore._backends.sync import SyncStream  # has no other name; httpcore is pinned

from hw.sysfiles import SysFiles
from onboarding.protocol.rv_medium import Interface

_NET = "sys/class/net"
_ETHERNET = 1  # ARPHRD_ETHER, which wireless interfaces have, too
_BIND = getattr(socket, "SO_BINDTODEVICE", None)


def interfaces_of(files: SysFiles) -> tuple[Interface, ...] | None:
    """Return those that have a network of their own; None where nothing says it.

    Bridges, their ports, VLANs, bonds and tunnels are made of others and left out.
    """
    if _BIND is None or not files.exists(_NET):
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


class Through(httpx.HTTPTransport):
    """HTTP over one network interface and no other."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=_Backend(name)
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to an IP address; the names of servers are looked up before."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _BIND or 0, self._name + b"\0")
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(timeout)
            opened.connect((host, port))
        except TimeoutError as error:
            opened.close()
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            opened.close()
            raise httpcore.ConnectError(str(error)) from error
        return SyncStream(opened)
