"""``org.vouchgate.inventory``, the owner's side: what the device is made of.

    owner                      device
    active          ------->
                    <-------   active, machine

Only devices that name the module are asked. It is their own word, kept for people; a
device that tells nonsense is taken all the same, and its nonsense is not kept.
"""

from hw.errors import StructureError
from hw.inventory import Inventory
from onboarding.protocol.errors import ModuleFailed
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.values import lean

NAME = "org.vouchgate.inventory"
MAX_INVENTORY = 16 * 1024  # bytes


@lean
class InventoryModule:
    """Takes one inventory; its state is the encoded one, or null."""

    name: str = NAME
    required: bool = False

    def start(self, ctx: ModuleContext) -> object:
        """Nothing has been told yet."""
        return None

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        """Take the inventory, once.

        Raises:
            ModuleFailed: It is none, or something else.
        """
        if state is not None or message != "machine":
            raise ModuleFailed(f"{message} out of turn")
        if len(value) > MAX_INVENTORY:
            raise ModuleFailed(f"an inventory of {len(value)} bytes")
        try:
            Inventory.from_item(cbor.decode(value))
        except (StructureError, MalformedError) as error:
            raise ModuleFailed(str(error)) from error
        return value

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        """Wait for it; there is nothing to say."""
        return state, [], Progress.WAITING if state is None else Progress.DONE

    def result(self, state: object) -> ModuleResult:
        """``facts`` holds ``inventory``, encoded."""
        return ModuleResult(
            self.name, ok=True, detail="told", facts={"inventory": state}
        )
