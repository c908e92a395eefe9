"""What each of Keylime's programs needs to be started: its files and environment."""

import sys
from collections.abc import Mapping
from pathlib import Path

from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.pgp import PgpModule
from attestation.keylime.pki import Pki
from attestation.keylime.settings import (
    Ports,
    StackOptions,
    logging_config,
    registrar_config,
    tenant_config,
    verifier_config,
)

PROGRAMS = ("registrar", "verifier")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program_path(name: str) -> Path:
    """Return the script that runs ``registrar`` or ``verifier`` in our environment.

    Raises:
        KeylimeStartError: Keylime is not installed beside the interpreter.
    """
    script = Path(sys.executable).with_name(f"keylime_{name}")
    if not script.is_file():
        raise KeylimeStartError(f"{script} is not there: install the extra 'keylime'")
    return script


def program_command(name: str) -> list[str]:
    """Return the program's arguments; its script's own first line may be too long."""
    return [sys.executable, str(program_path(name))]


def write_configuration(
    directory: Path, pki: Pki, ports: Ports, options: StackOptions
) -> None:
    """Write ``*.conf`` and make the work directories, all below ``directory``."""
    for name in ("", *PROGRAMS, "tpm_cert_store"):
        (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    files = {
        "registrar": registrar_config(pki, ports),
        "verifier": verifier_config(pki, ports, options),
        "tenant": tenant_config(directory / "tpm_cert_store"),
        "logging": logging_config(),
    }
    for name, text in files.items():
        (directory / f"{name}.conf").write_text(text)


def program_environment(
    directory: Path, name: str, pgp: PgpModule
) -> Mapping[str, str]:
    """Return only what Keylime needs: nothing of ours, secrets least of all."""
    environment = {
        "PATH": SYSTEM_PATH,
        "LANG": "C.UTF-8",
        "HOME": str(directory / name),
        "KEYLIME_DIR": str(directory / name),
        "KEYLIME_LOGGING_CONFIG": str(directory / "logging.conf"),
        "KEYLIME_TENANT_CONFIG": str(directory / "tenant.conf"),
        f"KEYLIME_{name.upper()}_CONFIG": str(directory / f"{name}.conf"),
    }
    if pgp.path is not None:
        environment["PYTHONPATH"] = str(pgp.path)
    return environment
