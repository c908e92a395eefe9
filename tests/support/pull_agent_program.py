"""A Keylime agent as a program, configured as Keylime's own: where that cannot be had.

``KEYLIME_AGENT_CONFIG`` names its ``agent.conf``, ``TCTI`` its TPM. It listens on a
port of its own choice. SIGTERM ends it.
"""

import os
import signal
import tomllib
from pathlib import Path
from types import FrameType

from hw.tpm import Tpm
from tests.support.attester import Attester
from tests.support.pull_agent import PullAgent


def main() -> None:
    """Register, then answer the verifier until told to end."""
    file = Path(os.environ["KEYLIME_AGENT_CONFIG"])
    said = tomllib.loads(file.read_text())["agent"]
    registrar = f"http://{said['registrar_ip']}:{said['registrar_port']}"
    home = Path(os.environ["KEYLIME_DIR"])
    signal.signal(signal.SIGTERM, _end)
    with Tpm(os.environ["TCTI"]) as tpm:
        attester = Attester(tpm, tpm.create_attestation_key("rsa"))
        agent = PullAgent(attester, Path(said["trusted_client_ca"]), home)
        agent.register(registrar, said["uuid"])
        signal.pause()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


if __name__ == "__main__":
    main()
