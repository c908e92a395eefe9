"""Primary keys in the endorsement hierarchy, made persistent.

A primary follows from the TPM's seed and its template alone, so no wrapped key has to
be stored anywhere; a random ``unique`` field makes each of ours a key of its own.
"""

import secrets
from typing import Literal

from hw.tss import (
    ESYS_TR,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMA_OBJECT,
    TPMT_PUBLIC,
    Link,
)

_UNEXPORTABLE = (
    TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN
)
# Empty authorisation values need no dictionary-attack lockout, which would only let an
# unclean power-off lock the device out of its own keys.
_SIGNING = _UNEXPORTABLE | TPMA_OBJECT.SIGN_ENCRYPT | TPMA_OBJECT.NODA

RESTRICTED_ATTRIBUTES = _SIGNING | TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.USERWITHAUTH
POLICY_ATTRIBUTES = _SIGNING  # no userWithAuth: the key's policy must be satisfied

UNIQUE_SIZE = 64  # bytes of a unique string

Kind = Literal[
    "ecc256:ecdsa-sha256:null",
    "ecc384:ecdsa-sha384:null",
    "rsa2048:rsassa-sha256:null",
    "hmac:sha256",
    "hmac:sha384",
]


def template(
    kind: Kind, attributes: int, policy: bytes = b"", unique: bytes = b""
) -> TPM2B_PUBLIC:
    """A public template of that kind; a fresh random ``unique`` unless one is given."""
    area = TPMT_PUBLIC.parse(kind, objectAttributes=attributes, nameAlg="sha256")
    area.authPolicy = policy
    unique = unique or secrets.token_bytes(UNIQUE_SIZE)
    if kind.startswith("ecc"):
        area.unique.ecc.x = unique[: UNIQUE_SIZE // 2]
        area.unique.ecc.y = unique[UNIQUE_SIZE // 2 :]
    elif kind.startswith("rsa"):
        area.unique.rsa = unique
    else:
        area.unique.keyedHash = unique[: UNIQUE_SIZE // 2]
    return TPM2B_PUBLIC(publicArea=area)


def make_persistent(link: Link, public: TPM2B_PUBLIC, number: int) -> None:
    """Create the key and keep it at the persistent handle; replaces what was there."""
    with link.use(f"create key {number:#010x}") as esys:
        transient, *_ = esys.create_primary(
            TPM2B_SENSITIVE_CREATE(), public, ESYS_TR.RH_ENDORSEMENT
        )
        try:
            old = link.handle(number)
            if old is not None:
                esys.evict_control(ESYS_TR.RH_OWNER, old, number)
                link.forget(number)
            esys.evict_control(ESYS_TR.RH_OWNER, transient, number)
        finally:
            esys.flush_context(transient)


def read_public(link: Link, number: int, what: str) -> TPM2B_PUBLIC:
    """The public area at a persistent handle; raises TpmError when nothing is there."""
    with link.use(f"read {what}") as esys:
        public, *_ = esys.read_public(link.require(number, what))
        return public
