"""The example of the documentation, installed by pip and run for real; bad ones too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.device.modules.together import DeviceModules
from onboarding.plugins import OWNER_GROUP
from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from ownership_vouchers.types import Guid
from tests.support.fdo_chain import Chain, joined
from tests.support.plugins import BROKEN, NO_MODULE, RAISES, installed_in, machine_with
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice

MOTD = "com.example.motd"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Services that start with the example and three bad plug-ins installed."""
    with installed_in(tmp_path_factory.mktemp("installed")) as installed:
        installed.example()
        installed.package("broken", OWNER_GROUP, "com.example.broken", BROKEN)
        installed.package("raises", OWNER_GROUP, "com.example.raises", RAISES)
        installed.package("empty", OWNER_GROUP, "com.example.empty", NO_MODULE)
        yield from joined(tmp_path_factory.mktemp("plugged"), KeyAlgorithm.P256)


def given(chain: Chain, device: SoftDevice, *steps: dict[str, Any]) -> Any:
    call = chain.owner.call
    body = {"name": "plugged", "steps": steps}
    stored = call(chain.owner_key, "POST", "/service-info/plans", json=body)
    if stored.status_code == 201:
        path = f"/devices/{device.credential.guid}/service-info"
        call(chain.owner_key, "PUT", path, json={"plan": "plugged"})
    return stored.json()


def test_the_example_runs_between_a_real_owner_and_a_real_device(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    text = "welcome to {serial}"
    given(chain, device, {"module": MOTD, "parameters": {"text": text}})
    with machine_with(tmp_path / "device", {MOTD: {"banner": "* "}}) as machine:
        modules = DeviceModules.of(machine, Guid(bytes(16)))
        device.onboard(Wire.to(chain.owner.url), modules=modules.all)
    shown = tmp_path / "device" / "plugins" / MOTD / "motd"
    assert shown.read_text() == "* welcome to SN-1\n"
    assert [str(one) for one in modules.journal.entries] == [f"{MOTD}: 15 characters"]
    path = f"/devices/{device.credential.guid}/deliveries"
    (last,) = chain.owner.call(chain.owner_key, "GET", path).json()["items"]
    receipt = last["modules"][-1]
    assert (receipt["name"], receipt["ok"], receipt["item"]) == (MOTD, True, "motd")


def test_a_device_that_does_not_name_the_plug_in_does_not_have_it(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    given(chain, device, {"module": MOTD, "parameters": {"text": "x"}})
    with machine_with(tmp_path / "device", {}) as machine:
        modules = DeviceModules.of(machine, Guid(bytes(16)))
        with pytest.raises(PeerFailed, match=MOTD):
            device.onboard(Wire.to(chain.owner.url), modules=modules.all)


REFUSED = {
    "com.example.broken": "ModuleNotFoundError: No module named",
    "com.example.raises": "RuntimeError: no module today",
    MOTD: "text: 1 to 1000 characters",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_step_of_a_bad_plug_in_is_refused_and_the_service_goes_on(
    chain: Chain, name: str
) -> None:
    device = chain.bought()
    refused = given(chain, device, {"module": name})
    assert refused["code"] == "plan-refused"
    assert REFUSED[name] in refused["detail"]
    device.onboard(Wire.to(chain.owner.url))


def test_a_plug_in_that_makes_no_module_fails_its_step_alone(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    given(chain, device, {"module": "com.example.empty", "required": False})

    class Empty:
        name = "com.example.empty"

        def activated(self) -> list[Any]:
            return []

        def receive(self, message: str, value: bytes) -> list[Any]:
            return []

    device.onboard(Wire.to(chain.owner.url), modules=(Empty(),))
    path = f"/devices/{device.credential.guid}/deliveries"
    (last,) = chain.owner.call(chain.owner_key, "GET", path).json()["items"]
    assert "the plug-in failed: AttributeError" in last["modules"][-1]["error"]
