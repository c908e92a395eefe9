"""Primary keys in the endorsement hierarchy, made persistent.

A primary follows from the TPM's seed and its template alone, so no wrapped key has to
be stored anywhere; a random ``unique`` field makes each of ours a key of its own.
"""

import secrets

from hw.errors import TpmError
from hw.key_ref import Kind, unique_size
from hw.tss import (
    ESYS_TR,
    TPM2_RC,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMA_OBJECT,
    TPMT_PUBLIC,
    Link,
    TSS2_Exception,
)

_UNEXPORTABLE = (
    TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN
)
# Empty authorisation values need no dictionary-attack lockout, which would only let an
# unclean power-off lock the device out of its own keys.
_SIGNING = _UNEXPORTABLE | TPMA_OBJECT.SIGN_ENCRYPT | TPMA_OBJECT.NODA

RESTRICTED_ATTRIBUTES = _SIGNING | TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.USERWITHAUTH
POLICY_ATTRIBUTES = _SIGNING  # no userWithAuth: the key's policy must be satisfied


def template(
    kind: Kind, attributes: int, policy: bytes = b"", unique: bytes = b""
) -> TPM2B_PUBLIC:
    """A public template of that kind; a fresh random ``unique`` unless one is given."""
    area = TPMT_PUBLIC.parse(kind, objectAttributes=attributes, nameAlg="sha256")
    area.authPolicy = policy
    unique = unique or secrets.token_bytes(unique_size(kind))
    if kind.startswith("ecc"):
        half = len(unique) // 2
        area.unique.ecc.x, area.unique.ecc.y = unique[:half], unique[half:]
    elif kind.startswith("rsa"):
        area.unique.rsa = unique
    else:
        area.unique.keyedHash = unique
    return TPM2B_PUBLIC(publicArea=area)


def make_persistent(
    link: Link, public: TPM2B_PUBLIC, number: int, expected: bytes | None = None
) -> bytes:
    """Create the key and keep it at the persistent handle; replaces what was there.

    Args:
        expected: The name it must turn out to have; if not, nothing is replaced.

    Returns:
        Its name.

    Raises:
        TpmError: Another key comes out, or the TPM refuses.
    """
    with link.use(f"create key {number:#010x}") as esys:
        transient, *_ = esys.create_primary(
            TPM2B_SENSITIVE_CREATE(), public, ESYS_TR.RH_ENDORSEMENT
        )
        try:
            name = bytes(esys.read_public(transient)[1])
            if expected is not None and name != expected:
                raise TpmError(
                    f"key {number:#010x} is not to be had: it was made in another TPM,"
                    " or this one was cleared since; the device must be made anew"
                )
            remove_persistent(link, number)
            esys.evict_control(ESYS_TR.RH_OWNER, transient, number)
        except TSS2_Exception as error:
            if error.rc == TPM2_RC.NV_SPACE:
                raise TpmError(
                    f"the TPM's memory is full: no room for key {number:#010x}; remove"
                    " indices that nobody needs (tpm2_getcap handles-nv-index,"
                    " tpm2_nvundefine)"
                ) from error
            raise
        finally:
            esys.flush_context(transient)
    return name


def remove_persistent(link: Link, number: int) -> None:
    """Forget the key at the persistent handle, if there is one."""
    with link.use(f"remove key {number:#010x}") as esys:
        old = link.handle(number)
        if old is not None:
            esys.evict_control(ESYS_TR.RH_OWNER, old, number)
            link.forget(number)


def name_at(link: Link, number: int) -> bytes | None:
    """The name of the key at the persistent handle, None when there is none."""
    with link.use(f"look for key {number:#010x}") as esys:
        handle = link.handle(number)
        try:
            return None if handle is None else bytes(esys.read_public(handle)[1])
        except TSS2_Exception as error:
            link.forget_if_gone(number, error)
            return None


def read_public(link: Link, number: int, what: str) -> TPM2B_PUBLIC:
    """The public area at a persistent handle; raises TpmError when nothing is there."""
    with link.use(f"read {what}") as esys:
        public, *_ = esys.read_public(link.require(number, what))
        return public
