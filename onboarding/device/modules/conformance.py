"""``fido_alliance`` on the device: keep a conformance lab's token for its tools.

Source: FIDO Alliance, FDO conformance tools.
"""

from collections.abc import Sequence
from pathlib import Path

from onboarding.device.config import write_private
from onboarding.device.modules.journal import Journal
from onboarding.protocol.fido_alliance import MAX_TOKEN, NAME
from onboarding.protocol.modules import Message
from ownership_vouchers import cbor

FILE = "conformance-token"


class ConformanceModule:
    """Keeps the token in ``directory``, readable by its owner alone."""

    name = NAME

    def __init__(self, directory: Path, journal: Journal | None = None) -> None:
        self._path = directory / FILE
        self._journal = journal or Journal()

    def activated(self) -> Sequence[Message]:
        """Wait for the token."""
        return []

    def receive(self, message: str, value: bytes) -> Sequence[Message]:
        """Take the token.

        Raises:
            MalformedError: It is no text, or an endless one.
            DeviceError: It cannot be kept.
        """
        if message == "dev_conformance":
            token = cbor.tstr(cbor.decode(value), MAX_TOKEN)
            write_private(self._path, token.encode())
            self._journal.done(self.name, "has the lab's token")
        return []
