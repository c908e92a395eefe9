"""The inventory in TO2: told when asked for, kept when it is one, else left aside."""

from pathlib import Path

import pytest

from hw.inventory_reader import take_inventory
from onboarding.device.modules.inventory import InventoryModule as DeviceSide
from onboarding.protocol.inventory_module import MAX_INVENTORY, InventoryModule
from ownership_vouchers import cbor
from tests.support.machine_trees import UEFI_SERVER, planted
from tests.support.module_pair import ModulePair


class Saying:
    """A device that says whatever it likes when it is asked."""

    name = "org.vouchgate.inventory"

    def __init__(self, *said: tuple[str, bytes]) -> None:
        self._said = said

    def activated(self) -> list[tuple[str, bytes]]:
        return list(self._said)

    def receive(self, message: str, value: bytes) -> list[tuple[str, bytes]]:
        return []


def test_what_a_machine_is_made_of_comes_to_its_owner(tmp_path: Path) -> None:
    files = planted(tmp_path, UEFI_SERVER)
    device = DeviceSide(lambda: take_inventory(files))
    (result,) = ModulePair([InventoryModule()], [device]).run()
    assert result.ok
    told = cbor.decode(cbor.bstr(result.facts["inventory"]))
    assert told == take_inventory(files).to_item()


def test_a_device_without_the_module_is_not_asked() -> None:
    pair = ModulePair([InventoryModule()], [])
    (result,) = pair.run()
    assert (result.ok, result.offered) == (False, False)
    assert not pair.sent


NONSENSE: dict[str, list[tuple[str, bytes]]] = {
    "a text": [("machine", cbor.encode("rack"))],
    "an empty map": [("machine", cbor.encode({}))],
    "another message": [("disks", cbor.encode([]))],
    "too much": [("machine", cbor.encode(bytes(MAX_INVENTORY)))],
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_not_kept_and_does_not_end_the_run(name: str) -> None:
    (result,) = ModulePair([InventoryModule()], [Saying(*NONSENSE[name])]).run()
    assert not result.ok
    assert "inventory" not in result.facts


def test_a_second_inventory_is_refused(tmp_path: Path) -> None:
    item = cbor.encode(take_inventory(planted(tmp_path, {})).to_item())
    twice = Saying(("machine", item), ("machine", item))
    (result,) = ModulePair([InventoryModule()], [twice]).run()
    assert (result.ok, result.detail) == (False, "machine out of turn")
