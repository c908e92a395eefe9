"""Whether a verifier that judges by itself still keeps what we told it to judge by.

A policy is told once, under its digest, and could be changed there under that name:
then what the verifier passes says nothing. So it is read back, once in a while.
"""

import time
from collections.abc import Callable
from threading import Lock

from attestation.appraisal import Channel
from attestation.keylime.held import Administrator, HeldTo, require_stored
from onboarding.services.stores import Stores

SECONDS = 60.0  # for which what was read is taken to be there
MOST = 1000  # policies that are remembered; those that it was told of last


class KeptPolicies:
    """Safe in any thread; what is found to be another is not remembered."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._read: dict[tuple[Channel, str, str], float] = {}

    def require(
        self, stores: Stores, verifier: Administrator, channel: Channel, held: HeldTo
    ) -> None:
        """Have a channel's verifier show that it keeps what ``held`` names.

        Raises:
            NotStored: It keeps something else, or nothing.
            KeylimeError: No answer.
        """
        name, now = (channel, held.runtime_name, held.boot_name), self._monotonic()
        with self._lock:
            known = self._read.get(name)
        if known is not None and now < known + SECONDS:
            return
        body = b""
        if held.runtime:
            body = stores.runtime_policies.get(bytes.fromhex(held.runtime))
        require_stored(verifier, held, body)
        with self._lock:
            self._read.pop(name, None)
            self._read[name] = now
            while len(self._read) > MOST:
                del self._read[next(iter(self._read))]
