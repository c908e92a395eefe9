"""What ``vouchgate doctor`` looks at: each check says what it saw and how to mend it.

A check never raises: what goes wrong in it is its finding.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.http import admin_transport
from attestation.keylime.settings import KeylimeSettings
from onboarding.cli.doctor_stores import check_database, check_keys
from onboarding.cli.finding import Finding, Health, attempt
from onboarding.plugins import DEVICE_GROUP, OWNER_GROUP, load
from onboarding.services.environment import odd_names
from onboarding.services.settings import Role, Settings

BUILT_AFTER = 1_760_000_000  # no clock that is right shows less: October 2025
BUILT_BEFORE = 4_102_444_800  # 2100


def examine(settings: Settings, tcti: str | None) -> Iterator[Finding]:
    """Run every check, one after the other.

    Args:
        tcti: Where a TPM should be; None looks for the kernel's and minds none.
    """
    yield check_clock(time.time())
    yield check_entropy()
    yield check_environment(os.environ)
    yield check_ports(settings)
    yield from check_keys(settings)
    yield from check_database(settings)
    yield check_plugins()
    yield check_keylime(settings)
    yield check_tpm(tcti)


def check_clock(now: float) -> Finding:
    """A wrong clock makes certificates, tickets and leases wrong with it."""
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if BUILT_AFTER < now < BUILT_BEFORE:
        return Finding("clock", Health.OK, shown)
    return Finding("clock", Health.BAD, shown, "Set the clock, and run NTP.")


def check_entropy() -> Finding:
    """Keys made before the kernel's pool is ready can be guessed."""
    try:
        os.getrandom(32, os.GRND_NONBLOCK)
    except BlockingIOError:
        return Finding(
            "entropy",
            Health.BAD,
            "the kernel's random pool is not ready",
            "Wait, or install rng-tools or jitterentropy.",
        )
    return Finding("entropy", Health.OK, "the kernel's random pool is ready")


def check_environment(environment: Mapping[str, str]) -> Finding:
    """Whether every variable that is called like a setting is one."""
    odd = odd_names(environment)
    if odd:
        said = "The reference of settings has every name."
        return Finding("environment", Health.WARNING, "; ".join(odd), said)
    return Finding("environment", Health.OK, "every VOUCHGATE_… is a setting")


def check_ports(settings: Settings) -> Finding:
    """Whether the configured addresses can be bound."""
    wanted = {"VOUCHGATE_PORT": settings.port}
    if settings.compat is not None:
        wanted["VOUCHGATE_COMPAT_PORT"] = settings.compat_port
    free = []
    for name, port in wanted.items():
        where = f"{settings.host} port {port}"
        try:
            _try_port(settings.host, port)
        except OSError as error:
            return Finding(
                "ports",
                Health.WARNING,
                f"{where}: {error.strerror}",
                f"Fine if the service is running; else set {name} to a free one.",
            )
        free.append(f"{where} is free")
    return Finding("ports", Health.OK, ", ".join(free))


def _try_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def check_plugins() -> Finding:
    """Whether the ServiceInfo modules that others wrote can be loaded."""
    groups = [load(OWNER_GROUP), load(DEVICE_GROUP)]
    broken = [f"{name}: {why}" for one in groups for name, why in one.broken.items()]
    found = sorted({name for one in groups for name in one.found})
    if broken:
        return Finding(
            "plug-ins",
            Health.BAD,
            "; ".join(broken),
            "Mend or uninstall the package; plans that name the module fail.",
        )
    if not found:
        return Finding("plug-ins", Health.SKIPPED, "none installed")
    return Finding("plug-ins", Health.OK, ", ".join(found))


def check_keylime(settings: Settings) -> Finding:
    """Whether registrar and verifier answer, and in which mode."""
    if not settings.keylime_configured:
        needed = settings.role.includes(Role.OWNER)
        return Finding(
            "Keylime",
            Health.WARNING if needed else Health.SKIPPED,
            "not configured",
            "Set VOUCHGATE_KEYLIME_…: without it nothing is attested."
            if needed
            else "",
        )
    return attempt("Keylime", lambda: _keylime(settings))


def _keylime(settings: Settings) -> Finding:
    known = keylime_settings(settings)
    with admin_transport(known) as way:
        found = KeylimeClient(way, known).version()
        modes = KeylimeClient(way, known).modes()
    silent = [f"{url}: {said}" for url, said in modes.items() if _is_error(said)]
    detail = f"API {found.current}, verifier in {found.mode} mode"
    if known.evidence_urls:
        answer = len(modes) - len(silent)
        detail += f"; {answer} of {len(modes)} verifiers of evidence answer"
    if silent:
        health = Health.BAD if len(silent) == len(modes) else Health.WARNING
        return Finding(
            "Keylime",
            health,
            "; ".join([detail, *silent])[:2000],
            "Start what does not answer, or take it out of"
            " VOUCHGATE_KEYLIME_EVIDENCE_URLS.",
        )
    if found.mode != "push":
        return Finding(
            "Keylime",
            Health.WARNING,
            detail,
            "Set mode = push in verifier.conf: push agents cannot attest otherwise.",
        )
    return Finding("Keylime", Health.OK, detail)


def _is_error(said: object) -> bool:
    return isinstance(said, KeylimeError)


def keylime_settings(settings: Settings) -> KeylimeSettings:
    """Keylime's part of the settings. Only where it is configured."""
    return KeylimeSettings(
        verifier_url=str(settings.keylime_verifier_url),
        registrar_url=str(settings.keylime_registrar_url),
        registrar_http_url=str(settings.keylime_registrar_http_url),
        ca=Path(str(settings.keylime_ca)),
        cert=Path(str(settings.keylime_cert)),
        key=Path(str(settings.keylime_key)),
        evidence_urls=settings.keylime_evidence_urls,
    )


def check_tpm(tcti: str | None) -> Finding:
    """Whether a TPM answers; only devices need one."""
    node = Path("/dev/tpmrm0")
    if tcti is None and not node.exists():
        return Finding("TPM", Health.SKIPPED, "none here; only devices need one")
    return attempt("TPM", lambda: _tpm(tcti or f"device:{node}"))


def _tpm(tcti: str) -> Finding:
    from hw.tpm import Tpm

    with Tpm(tcti) as tpm:
        tpm.random(8)
        certificate = tpm.endorsement_key(tpm.preferred_ek()).certificate
    if certificate is None:
        return Finding(
            "TPM",
            Health.WARNING,
            f"{tcti} answers, but has no EK certificate",
            "Such a TPM needs a manufacturer's passport to be trusted.",
        )
    return Finding("TPM", Health.OK, f"{tcti} answers, with an EK certificate")
