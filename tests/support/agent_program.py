"""A Keylime agent as a program, configured as Keylime's own: where that cannot be had.

``KEYLIME_AGENT_CONFIG`` names its ``agent.conf``, ``TCTI`` its TPM. Its only word says
whether the verifier calls it (``pull``), on a port of its own choice, or the other way
round (``push``). SIGTERM ends it.
"""

import os
import signal
import sys
import time
import tomllib
from pathlib import Path
from types import FrameType

from attestation.keylime.client import KeylimeClient
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.http import device_http, device_transport
from attestation.keylime.push_agent import PushAgent, PushRefused
from attestation.keylime.push_ports import TpmPort
from attestation.keylime.settings import KeylimeSettings
from hw.kernel_logs import KernelLogs
from hw.tpm import Tpm
from onboarding.device.push import boot_time
from tests.support.attester import Attester, register
from tests.support.pull_agent import PullAgent

PAUSE = 0.5  # seconds


def main() -> None:
    """Register, then answer or ask the verifier until told to end."""
    file = Path(os.environ["KEYLIME_AGENT_CONFIG"])
    said = tomllib.loads(file.read_text())["agent"]
    signal.signal(signal.SIGTERM, _end)
    with Tpm(os.environ["TCTI"]) as tpm:
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        if sys.argv[1] == "pull":
            _be_called(attester, said)
        else:
            _call(attester, said)


def _be_called(attester: Attester, said: dict[str, str]) -> None:
    home = Path(os.environ["KEYLIME_DIR"])
    agent = PullAgent(attester, Path(said["trusted_client_ca"]), home)
    agent.booted = _log().read_bytes()
    agent.ran = _list().read_bytes().splitlines(keepends=True)
    agent.register(_registrar(said), said["uuid"])
    signal.pause()


def _call(attester: Attester, said: dict[str, str]) -> None:
    ca, uuid, verifier = (
        Path(said["verifier_tls_ca_cert"]),
        said["uuid"],
        said["verifier_url"],
    )
    registrar = _registrar(said)
    where = KeylimeSettings(verifier, registrar, registrar, ca, ca, ca)
    with device_http(where) as http, device_transport(where) as way:
        client = KeylimeClient(way, where)
        secret = register(client, uuid, attester)
        client.activate(uuid, auth_tag(secret, uuid))
        port = TpmPort(attester.tpm, attester.ak)
        agent = PushAgent(
            lambda method, path, headers, body: http.request(
                method, verifier + path, headers=dict(headers), json=body
            ),
            port,
            uuid,
            boot_time(),
            KernelLogs(uefi=_log(), ima=_list()),
        )
        while True:
            try:
                agent.attest()
            except PushRefused as refusal:  # not enrolled yet, or too early
                print(refusal, flush=True)
            time.sleep(PAUSE)


def _registrar(said: dict[str, str]) -> str:
    return f"http://{said['registrar_ip']}:{said['registrar_port']}"


def _log() -> Path:
    return Path(os.environ["KEYLIME_AGENT_MEASUREDBOOT_ML_PATH"])


def _list() -> Path:
    return Path(os.environ["KEYLIME_AGENT_IMA_ML_PATH"])


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


if __name__ == "__main__":
    main()
