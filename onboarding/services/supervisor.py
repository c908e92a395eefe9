"""What a supervisor is told: systemd's sd_notify, where there is one.

Source: sd_notify(3).
"""

import logging
import os
import socket

READY, STOPPING = "READY=1", "STOPPING=1"

log = logging.getLogger(__name__)


def tell(state: str) -> None:
    """Send a state to the socket that NOTIFY_SOCKET names; nothing without one.

    A supervisor that does not listen is no reason to stop serving: it is logged.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    if address.startswith("@"):  # Linux' abstract names
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(state.encode(), address)
    except OSError as error:
        log.warning("the supervisor was not told %s: %s", state, error)
