"""What is there, and what happens, beside the commands of the guides' long story.

The reader has files that no command makes (a reseller's key, a list of a kernel's), and
devices that go on by themselves; both are real here, and made small.
"""

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.device.machine import Machine
from onboarding.store.database import Database
from onboarding.store.direct import Sql
from tests.support.doc_commands import ROOT, Typed
from tests.support.doc_shell import Shell
from tests.support.doc_stock import (
    FACTORY,
    OWNER,
    agent_registered,
    agent_starts,
    registered,
    stock,
)
from tests.support.doc_story import Stage
from tests.support.ima_lists import Measured
from tests.support.running import runtime_policy
from tests.support.server_tls import Authority
from tests.support.tampering import unguarded

ADOPT = 'curl -s -H @security.header -H "$JSON" -X PUT'
POST = "curl -s -H @operator.header -X POST"
RAN = (Measured(b"boot_aggregate"), Measured(b"/usr/bin/app", digest=b"\1" * 32))


def set_up(bash: Shell, ek_ca: Path, tcti: str, webhooks: str) -> None:
    """What is not ours to make: a buyer, a root that stays offline, a TPM's vendor.

    Args:
        ek_ca: Where the vendor's CA is, which has made TPMs before.
        tcti: A TPM beside the one that the guide makes.
        webhooks: URL of who is told of events.
    """
    bash.do(f"export OTHER_TPM={tcti}")
    key = "openssl ecparam -genkey -name prime256v1 -noout -out"
    bash.do(
        f"{key} buyer.key && openssl ec -in buyer.key -pubout -out buyer.pem"
        f" && {key} other.key && openssl ec -in other.key -pubout -out device.pub"
        f" && {key} reseller.key"
        " && openssl ec -in reseller.key -pubout -out reseller.pem"
        f" && {key} root.key && openssl req -x509 -new -key root.key -days 9000"
        " -subj /CN=root -out root.pem"
    )
    bash.free_ports("2321", "8881", "8882", "8890", "8891", "8899")
    bash.instead["2322"] = str(int(bash.instead["2321"]) + 1)
    bash.instead["/var/lib/swtpm-localca"] = str(ek_ca)
    bash.instead["/etc/vouchgate/boards"] = str(bash.home / "boards")
    bash.instead["https://siem.example"] = webhooks
    config = bash.home / "config"
    config.mkdir()
    (config / "swtpm_setup.conf").symlink_to(ek_ca / "swtpm_setup.conf")
    bash.do(f"export XDG_CONFIG_HOME={config}")
    bash.do("export VOUCHGATE_WEBHOOK_NETWORKS='[\"127.0.0.0/8\"]'")


def _write_line(bash: Shell, typed: Typed) -> None:
    """The file that the guide shows."""
    (bash.home / "line-7.json").write_text(typed.shown)


def _write_board(bash: Shell, typed: Typed) -> None:
    (bash.home / "boards").mkdir()
    (bash.home / "boards/acme-edge.json").write_text(typed.shown)


def _recorded_boot(bash: Shell, _typed: Typed) -> None:
    folder = ROOT / "tests/vectors/boot"
    (bash.home / "boot.evlog").symlink_to(folder / "secure-boot.evlog")
    pcrs = json.loads((folder / "pcrs-sha256.json").read_text())["secure-boot"]
    (bash.home / "boot-pcrs.json").write_text(json.dumps(pcrs))


def _alter(bash: Shell, _typed: Typed) -> None:
    """The last signature of a voucher, changed in one byte."""
    text = (bash.home / "vouchers.pem").read_text()
    (bash.home / "offered.pem").write_text(text)
    begin, end = "-----BEGIN OWNERSHIP VOUCHER-----", "-----END OWNERSHIP VOUCHER-----"
    body = text.partition(begin)[2].partition(end)[0]
    raw = bytearray(base64.b64decode("".join(body.split())))
    raw[-10] ^= 1
    coded = base64.encodebytes(raw).decode()
    (bash.home / "altered.pem").write_text(f"{begin}\n{coded}{end}\n")


def _know(bash: Shell, printed: str, directory: str) -> None:
    """From now on a GUID of the guide's is the one that this device has now."""
    with Machine.load(bash.home / directory) as machine:
        bash.instead[printed] = str(machine.identity().active.guid)


def _made(bash: Shell, _typed: Typed) -> None:
    _know(bash, "b4e1c538-63a6-622b-1d9b-0faa340535dc", "device/state")


def _made_on_the_line(bash: Shell, _typed: Typed) -> None:
    _know(bash, "57fb2660-f605-460f-fd9b-6f754c10cb11", "d1")


def _onboarded(bash: Shell, _typed: Typed) -> None:
    _know(bash, "43e8a742-7e11-930d-b15d-d384c1388374", "device/state")
    _know(bash, "2f0c6c0e-8e1c-4d55-9d0a-1d2a7c4b1e11", "device/state")


def _elsewhere(bash: Shell, _typed: Typed) -> None:
    """The README begins anew, in a directory of its own."""
    bash.do("unset VOUCHGATE_TLS_CERTIFICATE VOUCHGATE_TLS_KEY VOUCHGATE_CA")
    bash.do("mkdir readme && cd readme")


def _sold_to_a_reseller(bash: Shell, _typed: Typed) -> None:
    made = f"{FACTORY} --tcti none --serial SBC-2 --directory d2"
    bash.do(f"vouchgate device di {made} --line line-7 --line-key-file bench-3.key")
    guid = "$(vouchgate device status --directory d2 --json | jq -r .guid)"
    sold = f"--guid {guid} --to reseller.pem --out bought.pem"
    bash.do(f"vouchgate voucher hand-over {sold} {FACTORY}")


def _forge(bash: Shell, _typed: Typed) -> None:
    """A copy of the owner's database, in which one event is another one."""
    (bash.home / "backup").mkdir()
    file = bash.home / "backup/forged.db"
    with (
        closing(sqlite3.connect(bash.home / "owner/vouchgate.db")) as ours,
        closing(sqlite3.connect(file)) as copy,
    ):
        ours.backup(copy)
    with closing(Database(f"sqlite:///{file}")) as forged, unguarded(forged):
        change = "UPDATE events SET actor = 'nobody' WHERE seq = 12"
        assert forged.direct.count(Sql(change)) == 1


def _forged(bash: Shell, _typed: Typed) -> None:
    assert "event 12 was altered" in bash.said


def _what_a_kernel_measured(bash: Shell, _typed: Typed) -> None:
    (bash.home / "runtime.json").write_bytes(runtime_policy(RAN))


def _golden(bash: Shell, _typed: Typed) -> None:
    """The device has a list of what ran, and its TPM knows of it."""
    (bash.home / "ima").write_bytes(b"".join(one.line() for one in RAN))
    for one in RAN:
        bash.do(f"tpm2_pcrextend 10:sha256={one.hashed('sha256').hex()}")
    file = bash.home / "device/state/device.json"
    told = {**json.loads(file.read_text()), "ima_list": str(bash.home / "ima")}
    file.write_text(json.dumps(told))


def _attests(bash: Shell, _typed: Typed) -> None:
    """It shows itself; that it fails under the policy in force is no hindrance."""
    code, said = bash.run("vouchgate device attest --directory device/state")
    assert code == 1, said


def _two_more_versions(bash: Shell, _typed: Typed) -> None:
    """What was learnt is accepted, and enforced; then comes another image's."""
    at = "--url $URL --api-key-file security.key"
    learn = f"vouchgate policy learn $GUID --name gateway-boot {at} --json"
    for pcrs in ("0", "0 --pcr 1"):
        bash.do(
            f"{learn} --pcr {pcrs} --accept $({learn} --pcr {pcrs} | jq -r .digest)"
        )
    versions = bash.do(f"vouchgate policy diff gateway-boot {at} --json")
    assert json.loads(versions)["version"] == 3
    bash.do(
        f"vouchgate cohort observe berlin --policy gateway-boot --version 2"
        f" --label site=berlin {at}"
    )
    enforce = f"vouchgate cohort enforce berlin {at} --json"
    bash.do(f"{enforce} --accept $({enforce} | jq -r .preview)")
    (bash.home / "image.sha256").write_text(f"{'9f' * 32}  image\n")


def _secured(bash: Shell, _typed: Typed) -> None:
    """Certificates of two authorities; the owner begins anew, in sight of others."""
    again = "vouchgate keys reinstate owner --reason found"
    bash.do(f"{again} {OWNER} --api-key-file security.key")
    bash.stop("8083")
    home, servers, clients = bash.home, Authority("servers"), Authority("clients")
    (home / "ca.crt").write_bytes(servers.pem)
    (home / "owner/clients.crt").write_bytes(clients.pem)
    for name, (key, certificate) in {
        "owner/tls": servers.issue("127.0.0.1", "localhost"),
        "importer": clients.issue_client("importer"),
    }.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (home / f"{name}.key").write_bytes(pem)
        (home / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))


def _known_to_all(bash: Shell, _typed: Typed) -> None:
    """As under a public authority, the name leads there and needs no ``--ca``."""
    bash.instead["https://owner.example"] = f"https://localhost:{bash.instead['8443']}"
    bash.do("export CURL_CA_BUNDLE=$PWD/ca.crt VOUCHGATE_CA=$PWD/ca.crt")


def _edge_base(bash: Shell, _typed: Typed) -> None:
    """The plan that the guide shows first, and a file for it."""
    guide = (ROOT / "docs/service-info.md").read_text()
    plan = guide.partition("```json\n")[2].partition("```")[0]
    (bash.home / "edge-base.json").write_text(plan)
    (bash.home / "agent-1.4").write_bytes(b"an agent")


STAGE = Stage(
    before={
        f'{POST} "$OWNER/service-info/files?name=agent-1.4': _edge_base,
        "cat line-7.json": _write_line,
        "cat /etc/vouchgate/boards": _write_board,
        "vouchgate device log": _recorded_boot,
        "mkdir -m 700 owner": _elsewhere,
        "vouchgate voucher extend bought.pem": _sold_to_a_reseller,
        "env $(cat owner/env) VOUCHGATE_DATABASE_URL": _forge,
        "vouchgate policy runtime": _what_a_kernel_measured,
        "vouchgate policy learn": _golden,
        "IMAGE=$(": _two_more_versions,
        f'{POST} "$OWNER/service-info/files?name=keylime': stock,
        f"{ADOPT} $OWNER/devices/$GUID/agent": agent_registered,
        "export VOUCHGATE_TLS": _secured,
        "curl --cert importer.crt": _known_to_all,
    },
    after={
        "vouchgate device di --directory device/state": _made,
        "vouchgate device di --directory d1": _made_on_the_line,
        "vouchgate device onboard": _onboarded,
        "vouchgate voucher export": _alter,
        "vouchgate to0 servers": registered,
        "vouchgate service-info give $GUID keylime-agent": agent_starts,
        "vouchgate policy learn": _attests,
        "env $(cat owner/env) VOUCHGATE_DATABASE_URL": _forged,
    },
    ends={
        "vouchgate voucher import altered.pem": 1,
        "vouchgate serve --role rendezvous --host 0.0.0.0": 2,
        "env $(cat owner/env) VOUCHGATE_DATABASE_URL": 1,
    },
    until={"vouchgate device onboard --directory device/state --forever": "waiting"},
)
