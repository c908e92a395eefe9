"""A device of the guides' long story on which only a Keylime agent attests.

Its FDO client is ours, and so is the agent, which does what Keylime's own does; both
are configured by the guide's plan.
"""

import json
import sys
import time
from pathlib import Path

from tests.support.doc_commands import ROOT, Typed
from tests.support.doc_shell import Shell

FACTORY, OWNER = "--url http://127.0.0.1:8081", "--url http://127.0.0.1:8083"
AGENT = "tests.support.agent_program"
PLAN = ROOT / "docs/examples/keylime-agent/plan.json"
DEADLINE = 120.0


def until(bash: Shell, text: str, wanted: str) -> None:
    """Ask again until the answer is that."""
    end, said = time.monotonic() + DEADLINE, ""
    while time.monotonic() < end:
        said = bash.do(text)
        if said == wanted:
            return
    raise AssertionError(f"{text}: {said}, not {wanted}")


def registered(bash: Shell, _typed: Typed) -> None:
    """TO0 goes on by itself: the device can look for its owner once it is done."""
    shown = f"vouchgate to0 show $GUID {OWNER} --api-key-file operator.key --json"
    until(bash, f"{shown} | jq -r .state", "registered")


def stock(bash: Shell, _typed: Typed) -> None:
    """A device that was sold to us, on which nothing but a Keylime agent attests."""
    made = "--tcti none --serial SBC-3 --directory agent"
    bash.do(f"vouchgate device di {FACTORY} {made}")
    bash.do("GUID=$(vouchgate device status --directory agent --json | jq -r .guid)")
    sold = "--guid $GUID --to owner.pem --out agent.pem"
    bash.do(f"vouchgate voucher hand-over {sold} {FACTORY} --api-key-file station.key")
    bash.do(f"vouchgate voucher import agent.pem {OWNER} --api-key-file operator.key")
    etc = bash.home / "etc/keylime"
    (etc / "agent.conf.d").mkdir(parents=True)
    permits = {"downloads": str(etc), "commands": [["/bin/sh", "*"]]}
    (bash.home / "agent/modules.json").write_text(json.dumps(permits))
    (bash.home / "plan.json").write_text(bash.ours(_plan(bash, etc)))
    held = '-X PUT $OWNER/devices/$GUID/policy -d \'{"policy":"gateway-boot"}\''
    bash.do(f'curl -s -H @operator.header -H "$JSON" {held}')


def _plan(bash: Shell, etc: Path) -> str:
    """The example, with the reader's own addresses, and a unit that systemd starts."""
    starter, tcti = etc / "start", bash.do("echo $OTHER_TPM")
    starter.write_text(
        f"#!/bin/sh\nset -e\ncd {etc}\n"
        f"export TCTI={tcti} TPM2TOOLS_TCTI={tcti} KEYLIME_DIR={etc}\n"
        f"export KEYLIME_AGENT_CONFIG={etc}/agent.conf.d/90-owner.conf\n"
        "export KEYLIME_AGENT_MEASUREDBOOT_ML_PATH=/dev/null\n"
        f"export KEYLIME_AGENT_IMA_ML_PATH=/dev/null PYTHONPATH={ROOT}\n"
        "tpm2_flushcontext -t\n"
        f"setsid sh -c 'echo $$ >pid; exec {sys.executable} -m {AGENT} pull'"
        " </dev/null >log 2>&1 &\n"
        "while [ ! -s pid ]; do sleep 0.1; done\n"  # what is left behind is killed
    )
    starter.chmod(0o700)
    text = PLAN.read_text()
    for said, here in {
        '"name": "/etc/keylime/': '"name": "',
        "/etc/keylime": str(etc),
        "192.0.2.10": "127.0.0.1",
        "hostname -I": "echo 127.0.0.1",
        "systemctl restart keylime_agent": str(starter),
        "tpm2_createek": f"TPM2TOOLS_TCTI={tcti} tpm2_createek",
    }.items():
        assert said in text
        text = text.replace(said, here)
    return text


def agent_starts(bash: Shell, typed: Typed) -> None:
    """The device comes, is given its plan, and its agent registers."""
    registered(bash, typed)
    bash.do("vouchgate device onboard --directory agent")
    bash.running.append(int((bash.home / "etc/keylime/pid").read_text()))


def agent_registered(bash: Shell, _typed: Typed) -> None:
    """Until then it cannot be adopted; and never by another EK."""
    asked = '-H @security.header -H "$JSON" -X PUT $OWNER/devices/$GUID/agent'
    other = f'-d \'{{"ek_digest":"{"0" * 64}"}}\''
    try:
        until(bash, f"command curl -s {asked} {other} | jq -r .code", "other-keys")
    except AssertionError as error:
        log = (bash.home / "etc/keylime/log").read_text()
        raise AssertionError(f"{error}\n{log}") from error
