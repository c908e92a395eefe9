"""The modules this device has in TO2, as far as its configuration permits them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

from onboarding.device.http import new_client
from onboarding.device.machine import Machine
from onboarding.device.modules.binding import BindingModule
from onboarding.device.modules.command import CommandModule
from onboarding.device.modules.conformance import ConformanceModule
from onboarding.device.modules.download import DownloadModule
from onboarding.device.modules.inventory import InventoryModule
from onboarding.device.modules.journal import Journal
from onboarding.device.modules.permits import Permits
from onboarding.device.modules.plugged import plugged
from onboarding.device.modules.upload import UploadModule
from onboarding.device.modules.wget import WgetModule
from onboarding.protocol.modules import DeviceModule
from onboarding.tls import PUBLIC, Trust
from ownership_vouchers.types import Guid

if TYPE_CHECKING:
    from onboarding.device.modules.csr import CsrModule


@dataclass(frozen=True, slots=True)
class DeviceModules:
    """One run's modules; close them when it is over.

    ``wget`` is None where nothing may be fetched, ``binding`` without a TPM.
    """

    all: tuple[DeviceModule, ...]
    journal: Journal
    download: DownloadModule
    wget: WgetModule | None = None
    binding: BindingModule | None = None
    client: httpx.Client | None = field(default=None, repr=False)

    @classmethod
    def of(cls, machine: Machine, guid: Guid, trust: Trust = PUBLIC) -> Self:
        """Make the modules for a run under ``guid``.

        Args:
            trust: Whom fdo.wget believes over TLS.

        Raises:
            DeviceError: The configuration is not one.
        """
        permits, journal = Permits.load(machine.directory), Journal()
        files = machine.directory / permits.downloads
        download = DownloadModule(files, permits.file_bytes, journal)
        client = new_client(trust) if permits.urls else None
        wget = None if client is None else _wget(permits, files, client, journal)
        binding = None
        if machine.has_tpm:
            ak_alg = machine.config.profile.ak_alg
            binding = BindingModule(machine.tpm, ak_alg, guid)
        csr = _csr(machine, journal) if permits.certificates else None
        serial = machine.config.serial
        others = plugged(permits.plugins, machine.directory, serial, journal)
        permitted = _permitted(permits, machine.directory, journal)
        inventory = InventoryModule(machine.inventory) if permits.inventory else None
        built_in = (binding, download, csr, wget, inventory, *permitted)
        present = tuple(one for one in (*built_in, *others) if one is not None)
        return cls(present, journal, download, wget, binding, client)

    @property
    def received(self) -> tuple[str, ...]:
        """Files that came from the owner, or from where it said."""
        fetched = () if self.wget is None else self.wget.received
        return (*self.download.received, *fetched)

    @property
    def verdict(self) -> tuple[bool, str, str] | None:
        """How the owner judged the binding; None if it did not ask."""
        return None if self.binding is None else self.binding.verdict

    def close(self) -> None:
        self.download.close()
        if self.client is not None:
            self.client.close()


def _csr(machine: Machine, journal: Journal) -> "CsrModule":
    from onboarding.device.modules.csr import CsrModule  # with a library for ASN.1

    name = machine.config.serial
    return CsrModule(machine.directory, machine.create_owner_key, name, journal)


def _wget(
    permits: Permits, files: Path, client: httpx.Client, journal: Journal
) -> WgetModule:
    limit, seconds = permits.file_bytes, permits.fetch_seconds
    return WgetModule(files, permits.urls, client, limit, seconds, journal)


def _permitted(
    permits: Permits, directory: Path, journal: Journal
) -> tuple[DeviceModule, ...]:
    """What is there only if something is permitted to it."""
    found: list[DeviceModule] = []
    if permits.conformance:
        found.append(ConformanceModule(directory, journal))
    if permits.uploads:
        paths = [Path(one) for one in permits.uploads]
        found.append(UploadModule(paths, permits.upload_bytes, journal))
    if permits.commands:
        seconds, output = permits.command_seconds, permits.output_bytes
        found.append(CommandModule(permits.commands, seconds, output, journal))
    return tuple(found)
