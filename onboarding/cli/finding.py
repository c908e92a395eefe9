"""What one check of ``vouchgate doctor`` found, and how to mend it."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique

import httpx

from attestation.keylime.errors import KeylimeError
from hw.errors import HwError
from onboarding.services.errors import CustodyError, ServicesError
from onboarding.store.errors import DatabaseUnfit, StoreError


@unique
class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; ``mend`` is what to do, empty when all is well."""

    name: str
    health: Health
    detail: str
    mend: str = ""


_MENDS: tuple[tuple[type[Exception], str], ...] = (
    (DatabaseUnfit, "Make one, and name it in VOUCHGATE_DATABASE_URL."),
    (StoreError, "Check VOUCHGATE_DATABASE_URL, and that the server runs."),
    (
        CustodyError,
        "Check VOUCHGATE_PKCS11_… or VOUCHGATE_TPM_…, and that this user may reach it.",
    ),
    (ServicesError, "Check VOUCHGATE_KEY_DIRECTORY and VOUCHGATE_KEY_PASSPHRASE_FILE."),
    (KeylimeError, "Check that registrar and verifier run, and their logs."),
    (HwError, "Add this user to the group tss, or name the TPM with --tcti."),
    (ssl.SSLError, "Check the VOUCHGATE_KEYLIME_ certificate files."),
    (httpx.HTTPError, "Check that registrar and verifier run, and their logs."),
    (OSError, "Check that the file is there and may be read."),
)


def attempt(name: str, look: Callable[[], Finding]) -> Finding:
    """Run a check; an error of a known kind becomes its finding."""
    try:
        return look()
    except tuple(kind for kind, _ in _MENDS) as error:
        mend = next(text for kind, text in _MENDS if isinstance(error, kind))
        return Finding(name, Health.BAD, str(error), mend)
