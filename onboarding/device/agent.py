"""An owned device at work: it answers for itself and runs what it is given."""

import json
from dataclasses import dataclass
from pathlib import Path

import httpx

from attestation.keylime.push_agent import PushRefused
from onboarding.device.applier import Applier, DirectoryApplier
from onboarding.device.attest import Verdict, attest
from onboarding.device.config import write_private
from onboarding.device.credential import Identity, Owner
from onboarding.device.errors import NotOnboarded
from onboarding.device.machine import Machine
from onboarding.device.owner_api import OwnerApi
from onboarding.device.push import PushChannel, enrol
from onboarding.device.workload import Outcome, WorkloadGate

ENROLLED = "enrolled.json"
SESSION_OVER = (401, 403)  # of the owner's proxy, or of Keylime behind it


@dataclass(frozen=True, slots=True)
class Attested:
    """One answer for what runs; ``verdict`` None where the channel does not tell it."""

    channel: str
    pcrs: tuple[int, ...]
    verdict: Verdict | None


class Agent:
    """One device towards the owner it met in TO2."""

    def __init__(
        self, machine: Machine, client: httpx.Client, applier: Applier | None = None
    ) -> None:
        """Raises NotOnboarded when there is no owner yet."""
        identity = machine.identity()
        if identity.owner is None:
            raise NotOnboarded(
                "this device has met no owner yet: run `vouchgate device onboard`"
            )
        self._machine = machine
        self._identity: Identity = identity
        self._owner: Owner = identity.owner
        self._api = OwnerApi(
            client, self._owner.url, identity.active.guid, machine.device_key
        )
        self._applier = applier or DirectoryApplier(machine.directory / "workload")
        self._push: PushChannel | None = None

    def attest(self) -> Attested:
        """Answer for what runs, over the channel of the board's profile.

        Raises:
            Problem: The owner takes no evidence now, and says why.
            KeylimeError: The verifier did not take it.
            DeviceError, HwError: The device cannot answer.
        """
        profile = self._machine.config.profile
        if profile.channel == "push":
            return self._attest_by_push()
        config, tpm = self._machine.config, self._machine.tpm
        verdict = attest(self._api, tpm, profile.ak_alg, config.logs, config.image())
        return Attested("evidence", _numbers(verdict.compared), verdict)

    def sync(self) -> Outcome:
        """Fetch, check and apply what the owner released, or remove what it recalls.

        Raises:
            Problem: Nothing is released now; it says why.
            DocumentRefused, ApplyError, DeviceError: See ``WorkloadGate.sync``.
        """
        gate = WorkloadGate(
            self._api,
            self._machine.device_key,
            self._owner.key,
            self._applier,
            self._machine.directory,
        )
        return gate.sync()

    def enrol(self) -> None:
        """Show Keylime's registrar the keys that the owner enrolled; once an owner."""
        path = self._machine.directory / ENROLLED
        wanted = {"agent_id": str(self._api.guid), "owner": self._owner.url}
        if _load(path) == wanted:
            return
        enrol(self._api, self._machine.tpm, self._machine.config.profile.ak_alg)
        write_private(path, json.dumps(wanted).encode())

    def _attest_by_push(self) -> Attested:
        self.enrol()
        try:
            submitted = self._channel().attest()
        except PushRefused as refusal:
            if refusal.status not in SESSION_OVER:
                raise
            self._push = None
            submitted = self._channel().attest()
        return Attested("push", submitted.pcrs, None)

    def _channel(self) -> PushChannel:
        if self._push is None:
            config, tpm = self._machine.config, self._machine.tpm
            self._push = PushChannel(self._api, tpm, config.image(), config.logs)
        return self._push


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _numbers(compared: tuple[str, ...]) -> tuple[int, ...]:
    """PCR numbers out of names such as ``pcr:sha256:7`` or ``boot:sha256:4``."""
    names = [one for one in compared if one.startswith(("pcr:", "boot:"))]
    ends = [name.rsplit(":", 1)[-1] for name in names]
    return tuple(sorted(int(end) for end in ends if end.isascii() and end.isdigit()))
