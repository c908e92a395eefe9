"""The audit log's arithmetic: what links its events, and what a checkpoint says.

Each event holds the digest of the one before it, so rewriting one breaks the chain.
Whoever can write the whole log can compute a whole new chain; a checkpoint, signed and
kept elsewhere, is what shows that.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import cbor2

from attestation.documents import (
    ContentType,
    malformed,
    open_document,
    sign_document,
)
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError

GENESIS = bytes(32)
"""What the first event names as its predecessor."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as it stands in the log; ``detail`` is the JSON text digested."""

    seq: int
    guid: bytes | None
    cause: str
    actor: str
    at: int
    evidence_digest: bytes | None
    detail: str
    previous: bytes
    digest: bytes

    def computed_digest(self) -> bytes:
        """SHA-256 over the CBOR array of all other fields, ``previous`` first."""
        fields = (
            self.previous,
            self.seq,
            self.guid,
            self.cause,
            self.actor,
            self.at,
            self.evidence_digest,
            self.detail,
        )
        return hashlib.sha256(cbor2.dumps(fields)).digest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a log stood: its event ``seq`` had ``digest``.

    ``log`` is the digest of event 1, which tells one log from another; digests are 32
    bytes, ``at`` seconds since 1970, UTC.
    """

    log: bytes
    seq: int
    digest: bytes
    at: int


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Sign ``checkpoint`` with a key of the log's keeper."""
    fields = {
        1: cbor.bstr(checkpoint.log, 32),
        2: cbor.uint(checkpoint.seq, 63),
        3: cbor.bstr(checkpoint.digest, 32),
        4: cbor.uint(checkpoint.at, 63),
    }
    return sign_document(ContentType.CHECKPOINT, fields, signer)


def open_checkpoint(data: bytes, keys: VerifyKey | Iterable[VerifyKey]) -> Checkpoint:
    """Return a checkpoint that one of ``keys`` signed.

    Raises:
        DocumentRefused: Malformed, of another type, or signed by another key.
    """
    fields = open_document(ContentType.CHECKPOINT, data, keys, 4)
    try:
        return Checkpoint(
            cbor.bstr(fields[1], 32),
            cbor.uint(fields[2], 63),
            cbor.bstr(fields[3], 32),
            cbor.uint(fields[4], 63),
        )
    except VoucherError as error:
        raise malformed(error) from error
