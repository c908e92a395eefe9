"""What wrapped keys need of a TPM: their parent, sessions, and what errors mean.

Source: TPM 2.0 Library, part 1, sections 17 (sessions) and 21 (parameter encryption);
TCG TPM v2.0 Provisioning Guidance, section 7.5.1 (0x81000001); TPM 2.0 Key Files (the
primary that stands in where that is not there).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hw.errors import TpmError
from hw.tss import (
    AES_CFB,
    ESYS_TR,
    TPM2_ALG,
    TPM2_RC,
    TPM2_SE,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMA_OBJECT,
    TPMA_SESSION,
    TPMT_PUBLIC,
    TPMT_PUBLIC_PARMS,
    Link,
    TSS2_Exception,
    of_the_line,
)

STORAGE_KEY = 0x81000001
OWNER_HIERARCHY = 0x40000001
NO_AUTH = (TPM2_RC.AUTH_FAIL, TPM2_RC.BAD_AUTH)
# No lockout: authorisation values are long, and guessing must not stop a service.
KEPT = (
    TPMA_OBJECT.FIXEDTPM
    | TPMA_OBJECT.FIXEDPARENT
    | TPMA_OBJECT.SENSITIVEDATAORIGIN
    | TPMA_OBJECT.USERWITHAUTH
    | TPMA_OBJECT.NODA
)
_STORAGE = KEPT | TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.DECRYPT
_LOST = (
    TPM2_RC.HANDLE,
    TPM2_RC.REFERENCE_H0,
    TPM2_RC.INITIALIZE,
    TPM2_RC.OBJECT_MEMORY,
    TPM2_RC.SESSION_MEMORY,
)


@contextmanager
def storage_key(link: Link, number: int) -> Iterator[ESYS_TR]:
    """The parent of our keys; who sets a value for the hierarchy keeps one ready."""
    if number != OWNER_HIERARCHY:
        yield link.require(number, "storage key")
        return
    area = TPMT_PUBLIC.parse(
        "ecc256:aes128cfb", objectAttributes=_STORAGE, nameAlg="sha256"
    )
    with link.use("create the storage key") as esys:
        try:
            made, *_ = esys.create_primary(
                TPM2B_SENSITIVE_CREATE(),
                TPM2B_PUBLIC(publicArea=area),
                ESYS_TR.RH_OWNER,
            )
        except TSS2_Exception as error:
            if error.error in NO_AUTH:
                raise TpmError(
                    "the owner hierarchy has an authorisation value, so the storage key"
                    f" must be in its place, {STORAGE_KEY:#x}"
                ) from None  # whose code would be taken for a key's
            raise
        try:
            yield made
        finally:
            with suppress(TSS2_Exception):
                esys.flush_context(made)


@contextmanager
def hmac_session(
    link: Link, encrypted: int = 0, salt: ESYS_TR = ESYS_TR.NONE
) -> Iterator[ESYS_TR]:
    """An HMAC session for one command, flushed at the end.

    Args:
        encrypted: TPMA_SESSION.DECRYPT for what goes in, ENCRYPT for what comes out.
        salt: The storage key, where no authorisation value is a secret to both yet.
    """
    with link.use("open a session") as esys:
        session = esys.start_auth_session(
            salt, ESYS_TR.NONE, TPM2_SE.HMAC, AES_CFB, TPM2_ALG.SHA256
        )
        kept = TPMA_SESSION.CONTINUESESSION
        esys.trsess_set_attributes(session, encrypted | kept)
    try:
        yield session
    finally:
        with suppress(TpmError), link.use("close a session") as esys:
            esys.flush_context(session)


def require_kind(link: Link, kind: str, area: TPMT_PUBLIC) -> None:
    """Raises TpmError: this TPM makes no such keys."""
    try:
        with link.use(f"ask for {kind}") as esys:
            esys.test_parms(
                TPMT_PUBLIC_PARMS(type=area.type, parameters=area.parameters)
            )
    except TpmError as error:
        if is_lost(error):
            raise
        raise TpmError(f"this TPM has no {kind} keys ({error.__cause__})") from error


def code_of(error: TpmError) -> int | None:
    """The TPM's own code, without the parameter it is about."""
    cause = error.__cause__
    return int(cause.error) if isinstance(cause, TSS2_Exception) else None


def is_lost(error: TpmError) -> bool:
    """Whether a new connection may help: it is the line, or what was loaded over it."""
    cause = error.__cause__
    if not isinstance(cause, TSS2_Exception):
        return False
    return of_the_line(cause) or cause.error in _LOST
