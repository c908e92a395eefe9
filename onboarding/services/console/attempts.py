"""How often somebody may try to log in: so many failures from one place, then a wait.

API keys cannot be guessed; what this bounds is what the tries cost, and the log.
"""

import ipaddress
from collections import OrderedDict
from threading import Lock

MAX_FAILURES = 10
WINDOW = 300  # seconds
_PLACES = 1024


class Attempts:
    """Counts failures by where they came from. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures: OrderedDict[str, list[int]] = OrderedDict()

    def wait(self, address: str, now: int) -> int:
        """Seconds until that address may try again; 0 for at once."""
        with self._lock:
            recent = self._recent(place_of(address), now)
            if len(recent) < MAX_FAILURES:
                return 0
            return max(1, recent[0] + WINDOW - now)

    def failed(self, address: str, now: int) -> None:
        """Count a failure."""
        place = place_of(address)
        with self._lock:
            self._failures[place] = [*self._recent(place, now), now][-MAX_FAILURES:]
            self._failures.move_to_end(place)
            while len(self._failures) > _PLACES:
                self._failures.popitem(last=False)

    def _recent(self, place: str, now: int) -> list[int]:
        return [at for at in self._failures.get(place, ()) if at > now - WINDOW]


def place_of(address: str) -> str:
    """One IPv4 address, or the network that one IPv6 subscriber has to himself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
