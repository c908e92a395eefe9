"""``fido_alliance``, the owner's side: hand a conformance lab's token to the device.

    owner                              device
    active, dev_conformance    -->
                              <--     active

Only for devices in such a lab: the module is not there unless a service is told so.
Source: FIDO Alliance, FDO conformance tools.
"""

from dataclasses import dataclass, field

from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor

NAME = "fido_alliance"
MAX_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class ConformanceModule:
    """Sends the token; the device has it when it has become active.

    Args:
        token: 1 to 4096 characters; it opens the lab's dashboard.
    """

    token: str = field(repr=False)
    required: bool = True
    name: str = NAME

    def __post_init__(self) -> None:
        if not 0 < len(self.token) <= MAX_TOKEN:
            raise ValueError(f"token of {len(self.token)} characters")

    def start(self, ctx: ModuleContext) -> object:
        """Return the state before the token was sent."""
        return False

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Nothing is answered to this module."""
        return state

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Send the token once, then wait for ``active``."""
        if state is True:
            return state, [], Progress.DONE if ctx.active else Progress.WAITING
        told = [("dev_conformance", cbor.encode(self.token))]
        return True, told, Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        """Tell that the device took it."""
        return ModuleResult(self.name, True, "the device has the token")
