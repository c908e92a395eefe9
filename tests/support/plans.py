"""ServiceInfo plans of a chain's owner: written, given and run over real HTTP."""

import sys
from pathlib import Path
from typing import Any

import httpx

from onboarding.device.modules.command import CommandModule
from onboarding.device.modules.download import DownloadModule
from onboarding.device.modules.upload import UploadModule
from onboarding.protocol.modules import DeviceModule
from tests.support.fdo_chain import Chain
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice

CONTENT = bytes(range(256)) * 10


def call(chain: Chain, method: str, path: str, **kwargs: Any) -> httpx.Response:
    return chain.owner.call(chain.owner_key, method, path, **kwargs)


def ask(chain: Chain, method: str, path: str, **kwargs: Any) -> Any:
    reply = call(chain, method, path, **kwargs)
    assert reply.status_code in (200, 201), reply.text
    return reply.json()


def step(module: str, required: bool = True, **parameters: Any) -> dict[str, Any]:
    return {"module": module, "required": required, "parameters": parameters}


def text(name: str, content: str, required: bool = True) -> dict[str, Any]:
    return step("fdo.download", required, name=name, text=content)


def store(chain: Chain, name: str, *steps: dict[str, Any]) -> Any:
    body = {"name": name, "steps": steps}
    return ask(chain, "POST", "/service-info/plans", json=body)


def give(chain: Chain, device: SoftDevice, plan: str | None) -> Any:
    path = f"/devices/{device.credential.guid}/service-info"
    return ask(chain, "PUT", path, json={"plan": plan})


def modules(directory: Path) -> tuple[DeviceModule, ...]:
    return (
        DownloadModule(directory),
        UploadModule([directory]),
        CommandModule([(sys.executable, "*")]),
    )


def onboard(chain: Chain, device: SoftDevice, directory: Path, **changed: Any) -> None:
    wire = changed.pop("wire", None) or Wire.to(chain.owner.url)
    device.onboard(wire, **{"modules": modules(directory), **changed})


def deliveries(chain: Chain, device: SoftDevice) -> Any:
    path = f"/devices/{device.credential.guid}/deliveries"
    return ask(chain, "GET", path)["items"]
