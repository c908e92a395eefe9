"""The devices of the demonstration: each a software TPM and a directory."""

from dataclasses import dataclass, field
from pathlib import Path

import httpx

from hw.boot import measure_boot
from hw.profiles import BoardProfile, profile
from hw.swtpm import SoftwareTpm
from onboarding.device.agent import Agent
from onboarding.device.config import DeviceConfig
from onboarding.device.machine import Machine
from ownership_vouchers.types import Guid


@dataclass(slots=True)
class Device:
    """One machine: its TPM chip, its configuration, and its agent when it has one."""

    name: str
    board: str
    serial: str
    directory: Path
    chip: SoftwareTpm
    _machine: Machine | None = field(default=None, repr=False)
    _agent: Agent | None = field(default=None, repr=False)

    @property
    def profile(self) -> BoardProfile:
        return profile(self.board)

    @property
    def machine(self) -> Machine:
        """The machine, powered on by ``power_on``."""
        if self._machine is None:
            raise RuntimeError(f"{self.name} is switched off")
        return self._machine

    @property
    def guid(self) -> Guid:
        """Who the device is at this moment."""
        return self.machine.identity().active.guid

    @property
    def workload(self) -> Path:
        """Where the directory applier puts this device's manifests."""
        return self.directory / "workload"

    def power_on(self) -> None:
        """Start the chip, measure a good boot into it, open it."""
        tcti = self.chip.start()
        config = DeviceConfig(self.serial, self.board, f"demo-{self.name}", tcti)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._machine = Machine(config, self.directory)
        measure_boot(self._machine.tpm, self.profile)

    def power_off(self) -> None:
        if self._machine is not None:
            self._machine.close()
        self._machine = self._agent = None
        self.chip.stop()

    def agent(self, client: httpx.Client) -> Agent:
        """The agent of an onboarded device; the same one from then on."""
        if self._agent is None:
            self._agent = Agent(self.machine, client)
        return self._agent


def cast_of(directory: Path) -> tuple[Device, Device, Device]:
    """The board, the server, and the one that pretends to be the board."""
    return (
        _device(directory, "board", "generic-sbc-tpm", "SBC-0001"),
        _device(directory, "server", "generic-server-tpm", "SRV-0001"),
        _device(directory, "impostor", "generic-sbc-tpm", "SBC-0001"),
    )


def _device(directory: Path, name: str, board: str, serial: str) -> Device:
    chip = SoftwareTpm(directory / "chips", name)
    return Device(name, board, serial, directory / "devices" / name, chip)
