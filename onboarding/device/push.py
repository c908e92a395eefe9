"""Answering for what runs, over Keylime's push protocol through the owner's proxy.

The owner enrols this device under its FDO GUID with the keys bound in TO2; what is left
to show the registrar is that the TPM opens the registrar's own credential.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.factory_identity import agent_data
from attestation.keylime.push_agent import PushAgent, PushRefused, Submitted
from attestation.keylime.push_ports import TpmPort
from hw.evidence import AkAlg
from hw.kernel_logs import KernelLogs
from onboarding.device.errors import DeviceError
from onboarding.device.modules.binding import known_identity
from onboarding.device.owner_api import (
    ForwardedReply,
    OwnerApi,
    bytes_field,
    text_field,
)

if TYPE_CHECKING:
    from hw.tpm import Tpm

TOO_EARLY = 429
MAX_WAIT = 10  # seconds; beyond that the caller should know
SESSION_HEADER = "Vouchgate-Session"


def enrol(api: OwnerApi, tpm: "Tpm", ak_alg: AkAlg) -> str:
    """Show the registrar that EK and AK share a TPM; return Keylime's name for us.

    Raises:
        Problem: The owner does not enrol this device, and says why.
        TpmError: The credential is not for this TPM.
    """
    offered = api.ask("enrol", factory_word(tpm, ak_alg, str(api.guid)))
    agent_id = text_field(offered, "agent_id", 80)
    secret = tpm.activate_credential(
        tpm.attestation_key(ak_alg),
        bytes_field(offered, "id_object"),
        bytes_field(offered, "encrypted_secret"),
        tpm.preferred_ek(),
    )
    proof = {"auth_tag": auth_tag(secret, agent_id)}
    api.ask("enrol/proof", {**proof, "ticket": text_field(offered, "ticket", 4096)})
    return agent_id


def factory_word(tpm: "Tpm", ak_alg: AkAlg, agent_id: str) -> dict[str, object]:
    """The IAK's word on the AK, where the maker left an IAK, for the registrar."""
    found = known_identity(tpm)
    if found is None:
        return {}
    ak = tpm.attestation_key(ak_alg)
    said = tpm.certify(ak, found.key, agent_data(agent_id))
    return {"iak_attest": said.message, "iak_sign": said.signature}


class PushChannel:
    """One session with the owner's proxy, and in it one with the verifier."""

    def __init__(
        self,
        api: OwnerApi,
        tpm: "Tpm",
        image: bytes = b"",
        logs: KernelLogs | None = None,
    ) -> None:
        """Ask for a session; see ``attest`` of the evidence channel for ``image``."""
        self._api = api
        said: dict[str, object] = {"image": image} if image else {}
        self._session = text_field(api.ask("keylime/session", said), "session", 4096)
        port = TpmPort(tpm, tpm.attestation_key("rsa"))
        agent = str(api.guid)
        self._agent = PushAgent(self._send, port, agent, boot_time(), logs)

    def attest(self) -> Submitted:
        """Send one attestation. The verdict is not told here: it is the owner's.

        Raises:
            PushRefused: The verifier, or the owner before it, does not take it.
        """
        try:
            return self._agent.attest()
        except PushRefused as refusal:
            wait = refusal.retry_after
            if refusal.status != TOO_EARLY or wait is None or wait > MAX_WAIT:
                raise
        time.sleep(wait)
        return self._agent.attest()

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, object],
    ) -> ForwardedReply:
        sent = {**headers, SESSION_HEADER: self._session}
        return self._api.forward(method, path, sent, json.dumps(body).encode())


def boot_time() -> datetime:
    """When this machine started, the same value all through one boot."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
        (seconds,) = (line.split()[1] for line in lines if line.startswith("btime "))
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OSError, ValueError, IndexError) as error:
        raise DeviceError(
            "/proc/stat does not say when this machine started"
        ) from error
