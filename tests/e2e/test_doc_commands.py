"""The guides are followed: what they tell people to type is typed, in their order.

What is not run here is named in ``NOT_RUN`` with the reason, and is held to the real
command line by tests/unit/project/test_doc_commands.py, as all of it is.
"""

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onboarding.device.machine import Machine
from tests.support.doc_commands import DOCS, Typed, typed_in
from tests.support.doc_shell import Shell, shell
from tests.support.swtpm import MakeSoftwareTpm

PROGRAMS = ("bash", "curl", "jq", "openssl", "tpm2_pcrextend")
OPERATORS, MAKERS = "docs/operators.md", "docs/manufacturers.md"
DEVICES, SECURITY = "docs/devices.md", "docs/security.md"
AWAY = "docs/air-gapped.md"

# Where, which command begins so (or all), and why it is not run here.
NOT_RUN: tuple[tuple[str, str, str, str], ...] = (
    ("README.md", "", "make ", "each is a run of its own: .ci/run, test_demo.py"),
    ("docs/index.md", "", "make ", "likewise"),
    ("README.md", "", "vouchgate serve", "the operators' guide has it, on a free port"),
    ("docs/benchmarks.md", "", "", "measures for minutes: tests/e2e/test_bench*.py"),
    ("docs/developers.md", "", "", "calls the tests from within the tests"),
    (
        "docs/from-go-fdo-server.md",
        "",
        "env ",
        "test_compat_go_fdo_server.py",
    ),
    ("docs/from-go-fdo-server.md", "Moving", "", "test_go_fdo_server_move.py"),
    (DEVICES, "A TPM, or", "mkdir", "the TPM of the tests is there already"),
    (DEVICES, "A TPM, or", "swtpm", "likewise: swtpm of the same package"),
    (DEVICES, "A TPM, or", "cat /var", "likewise, with its roots in ek-roots.pem"),
    (DEVICES, "From the factory", "vouchgate device attest", "Keylime: make demo"),
    (DEVICES, "From the factory", "vouchgate device run", "Keylime: make demo"),
    (DEVICES, "Finding the owner", "vouchgate device onboard", "it has its owner"),
    (DEVICES, "Boards of your own", "", "the reader's board: unit/hw/test_profiles.py"),
    (DEVICES, "What the boot", "", "a machine with an event log: make e2e-boot"),
    (OPERATORS, "Client certificates", "", "test_services_client_certificates.py"),
    (OPERATORS, "2. Keylime", "python -m attestation.keylime r", "Keylime: make demo"),
    (OPERATORS, "2. Keylime", "python -m attestation.keylime v", "Keylime: make demo"),
    (OPERATORS, "One question for both", "", "tests/e2e/test_cli_why.py"),
    (OPERATORS, "Stock Keylime agents", "", "tests/e2e/test_services_pull.py"),
    (
        OPERATORS,
        "4. Tell",
        'curl -s -H @security.header "$OWNER/events',
        "nothing fails",
    ),
    (
        OPERATORS,
        "Say what may run",
        "",
        "a list of a kernel's: test_services_ima.py",
    ),
    (OPERATORS, "Learn a policy", "", "Keylime: tests/e2e/test_cli_policy.py"),
    (
        OPERATORS,
        "Update the",
        "vouchgate cohort update",
        "Keylime: test_services_cohorts",
    ),
    (OPERATORS, "systemd", "", "make e2e-systemd"),
    (
        OPERATORS,
        "Backups",
        "vouchgate database",
        "tests/contracts/test_downgrade.py",
    ),
    (OPERATORS, "PostgreSQL", "", "tests/contracts run on a real one"),
    (OPERATORS, "All of it with compose", "", "make e2e-compose, in .ci/long"),
    (OPERATORS, "The same with podman", "", "needs podman and built images"),
    (OPERATORS, "TLS and other", "export", "tests/e2e/test_cli_tls.py"),
    (OPERATORS, "TLS and other", "env", "tests/e2e/test_cli_tls.py"),
    (OPERATORS, "TLS and other", "curl", "tests/e2e/test_cli_tls.py"),
    (OPERATORS, "TLS and other", "vouchgate voucher", "tests/e2e/test_cli_tls.py"),
    (AWAY, "What to bring", "", "needs a package index and a registry"),
    (AWAY, "Install", "git clone", "needs what was brought along"),
    (AWAY, "Install", "python3", "likewise"),
    (AWAY, "Install", ".venv", "likewise"),
    (AWAY, "Install", "docker", "likewise: make e2e-compose has compose"),
    (MAKERS, "3. Sell", "vouchgate voucher extend", "tests/unit/.../test_voucher.py"),
    (SECURITY, "The audit log", "env $(cat owner/env) VOUCH", "test_cli_audit.py"),
    (SECURITY, "Webhooks", "", "names a stranger: tests/e2e/test_cli_reach.py"),
    (SECURITY, "Keys in a token", "", "tests/e2e/test_services_pkcs11.py"),
    (SECURITY, "Keys in a TPM", "", "tests/e2e/test_services_tpm_keys.py"),
)
# In which order: guide, heading, and which of its commands.
STORY: tuple[tuple[str, str, slice], ...] = (
    (OPERATORS, "1. Keys", slice(None)),
    (OPERATORS, "Keys for some", slice(None)),
    (OPERATORS, "2. Keylime", slice(None)),
    (OPERATORS, "3. Start", slice(0, 7)),
    (MAKERS, "1. Set up", slice(None)),
    (MAKERS, "What you hand out", slice(None)),
    (OPERATORS, "3. Start", slice(7, None)),
    (OPERATORS, "4. Tell", slice(None)),
    (DEVICES, "A TPM, or", slice(None)),
    (OPERATORS, "5. Say", slice(None)),
    (OPERATORS, "Manifests", slice(None)),
    (MAKERS, "2. At the station", slice(None)),
    (MAKERS, "3. Sell", slice(0, 5)),
    ("docs/reference/cli.md", "Vouchers", slice(None)),
    (OPERATORS, "6. Import", slice(None)),
    (AWAY, "Carry", slice(None)),
    (OPERATORS, "Registering", slice(None)),
    (DEVICES, "From the factory", slice(None)),
    (DEVICES, "Finding the owner", slice(None)),
    ("docs/troubleshooting.md", "", slice(None)),
    (OPERATORS, "Observe, then", slice(None)),
    (OPERATORS, "7. Read", slice(None)),
    (OPERATORS, "8. Freeze", slice(None)),
    (SECURITY, "The audit log", slice(None)),
    (SECURITY, "Evidence packs", slice(None)),
    (OPERATORS, "9. Credentials", slice(None)),
    (OPERATORS, "11. Owner keys", slice(None)),
    (OPERATORS, "Backups", slice(None)),
    (OPERATORS, "TLS and other", slice(None)),
    (MAKERS, "A device CA under", slice(None)),
    (MAKERS, "5. Production", slice(None)),
    (MAKERS, "3. Sell", slice(5, None)),
    (MAKERS, "6. Serial", slice(None)),
    (MAKERS, "7. Other", slice(None)),
    (OPERATORS, "Who may register", slice(None)),
    ("README.md", "Running", slice(None)),
    ("docs/console.md", "", slice(None)),
    ("docs/from-go-fdo-server.md", "The three", slice(None)),
)
# What ends with another code than 0, and with which.
ENDS = {
    "vouchgate voucher import altered.pem": 1,
    "vouchgate serve --role rendezvous --host 0.0.0.0": 2,
    "env $(cat owner/env) vouchgate doctor": 1,
}
EVERY = [one for path in DOCS for one in typed_in(path)]


def test_every_command_is_run_or_says_why_not() -> None:
    run = {id(one) for one in _story()}
    left = [one for one in EVERY if id(one) not in run and _reason(one) is None]
    assert [str(one) for one in left] == []
    for row in NOT_RUN:
        assert any(_is(one, row) for one in EVERY), row


def _is(one: Typed, row: tuple[str, str, str, str]) -> bool:
    doc, heading, begins, _ = row
    where = one.doc == doc and one.heading.startswith(heading)
    return where and one.text.startswith(begins)


def _reason(one: Typed) -> str | None:
    return next((row[3] for row in NOT_RUN if _is(one, row)), None)


def _story() -> list[Typed]:
    found = []
    for doc, heading, which in STORY:
        there = [x for x in EVERY if x.doc == doc and x.heading.startswith(heading)]
        assert there, (doc, heading)
        found += [one for one in there[which] if _reason(one) is None]
    return found


@pytest.fixture(scope="module")
def bash(
    tmp_path_factory: pytest.TempPathFactory,
    make_software_tpm: MakeSoftwareTpm,
    ek_ca: Path,
) -> Iterator[Shell]:
    missing = [one for one in PROGRAMS if shutil.which(one) is None]
    if missing:
        pytest.skip(f"the guides use what is not installed: {', '.join(missing)}")
    software = make_software_tpm("board")
    tcti = software.start()
    home = tmp_path_factory.mktemp("guides")
    with shell(home) as found:
        found.instead["swtpm:host=127.0.0.1,port=2321"] = tcti
        roots = [path.read_text() for path in sorted(ek_ca.glob("*.pem"))]
        (home / "ek-roots.pem").write_text("".join(r for r in roots if "CERTIF" in r))
        _others(found)
        yield found


def _others(bash: Shell) -> None:
    """What is not ours to make: a buyer, a root that stays offline, a device's key."""
    key = "openssl ecparam -genkey -name prime256v1 -noout -out"
    code, said = bash.run(
        f"{key} buyer.key && openssl ec -in buyer.key -pubout -out buyer.pem"
        f" && {key} other.key && openssl ec -in other.key -pubout -out device.pub"
        f" && {key} root.key && openssl req -x509 -new -key root.key -days 9000"
        " -subj /CN=root -out root.pem"
    )
    assert code == 0, said


def test_the_guides_are_followed_to_their_end(bash: Shell) -> None:
    failed = []
    for typed in _story():
        before = BEFORE.get(typed.text.split("\n")[0])
        if before is not None:
            before(bash, typed)
        code, said = bash.type(typed)
        begun = (ends for text, ends in ENDS.items() if typed.text.startswith(text))
        if code != next(begun, 0):
            failed.append(f"{typed}\n{said}")
        after = next((a for t, a in AFTER.items() if typed.text.startswith(t)), None)
        if after is not None:
            after(bash)
    assert not failed, "\n".join(failed)


def _write_line(bash: Shell, typed: Typed) -> None:
    """The file that the guide shows."""
    (bash.home / "line-7.json").write_text(typed.shown)


def _alter(bash: Shell) -> None:
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


def _registered(bash: Shell) -> None:
    """TO0 goes on by itself: the device can look for its owner once it is done."""
    at = "--url http://127.0.0.1:8083 --api-key-file operator.key --json"
    shown = f"vouchgate to0 show $GUID {at} | jq -r .state"
    assert any(bash.json(shown) == "registered" for _ in range(600))


def _elsewhere(bash: Shell, _typed: Typed) -> None:
    """The README begins anew, in a directory of its own."""
    assert bash.run("mkdir readme && cd readme") == (0, "\n")


BEFORE: dict[str, Callable[[Shell, Typed], None]] = {
    "cat line-7.json": _write_line,
    "mkdir -m 700 owner": _elsewhere,
}
AFTER: dict[str, Callable[[Shell], None]] = {
    "vouchgate device di --directory device/state": lambda bash: _know(
        bash, "b4e1c538-63a6-622b-1d9b-0faa340535dc", "device/state"
    ),
    "vouchgate device di --directory d1": lambda bash: _know(
        bash, "57fb2660-f605-460f-fd9b-6f754c10cb11", "d1"
    ),
    "vouchgate device onboard": lambda bash: _know(
        bash, "43e8a742-7e11-930d-b15d-d384c1388374", "device/state"
    ),
    "vouchgate voucher export": _alter,
    "vouchgate to0 servers": _registered,
}
