"""The device credential at rest: opaque bytes, in the TPM's NV or in a file.

A save is all or nothing: whatever is cut short, the credential before it is still
there. What the bytes mean is not known here.
"""

import hashlib
import hmac
import os
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hw.errors import CredentialError
from hw.nv_profile import NvProfile

MAX_CREDENTIAL = 1960  # bytes: what fits an NV slot, and so the limit of a file too
# Ours: the credential that counts. What others look for is beside it: hw.standard_nv.
NV_INDICES = (0x01D10006, 0x01D10007)
_STEP = 256  # bytes: slots come in multiples of these, for TPMs have little memory
_MAGIC = b"VGC1"
_HEAD = struct.Struct(">4sIH")  # magic, generation, length
_SUM = hashlib.sha256().digest_size


class CredentialStore(Protocol):
    """Where a device keeps its credential."""

    def load(self) -> bytes | None:
        """The credential last saved, None before the first; raises CredentialError."""

    def save(self, credential: bytes) -> None:
        """Replace it, all or nothing; raises CredentialError."""


class NvPort(Protocol):
    """What is asked of a TPM; ``hw.tpm.Tpm`` has it."""

    def nv_read(self, index: int) -> bytes | None:
        """Content of an index."""

    def nv_write(
        self, index: int, data: bytes, profile: NvProfile = ..., *, exact: bool = ...
    ) -> None:
        """Write from the start of an index."""

    def nv_lock(self, index: int) -> None:
        """Let nobody write an index until the TPM is reset."""


@dataclass(frozen=True, slots=True)
class NvCredential:
    """In the TPM, by turns in two NV indices, each with generation and checksum.

    Writing more bytes than one command takes is not atomic, so a save never touches the
    index that holds the present credential.
    """

    tpm: NvPort

    def load(self) -> bytes | None:
        """See CredentialStore."""
        newest = self._newest()
        return None if newest is None else newest[2]

    def save(self, credential: bytes) -> None:
        """See CredentialStore."""
        _check_size(credential)
        newest = self._newest()
        generation, at = (0, 1) if newest is None else newest[:2]
        head = _HEAD.pack(_MAGIC, generation + 1, len(credential))
        body = head + credential
        slot = body + hashlib.sha256(body).digest()
        slot += bytes(-len(slot) % _STEP)
        self.tpm.nv_write(NV_INDICES[1 - at], slot, NvProfile.LOCKABLE)

    def lock(self) -> None:
        """Let nobody change the credential until the machine is started anew.

        Raises:
            CredentialError: There is none yet.
        """
        credential = self.load()
        if credential is None:
            raise CredentialError("there is no credential to lock yet")
        if any(self.tpm.nv_read(index) is None for index in NV_INDICES):
            self.save(credential)  # else a new one could be put into the empty slot
        for index in NV_INDICES:
            self.tpm.nv_lock(index)

    def _newest(self) -> tuple[int, int, bytes] | None:
        """Generation, position and content of the newest whole slot."""
        slots = [self.tpm.nv_read(index) for index in NV_INDICES]
        whole = [
            (*found, at)
            for at, slot in enumerate(slots)
            if slot is not None and (found := _open_slot(slot)) is not None
        ]
        if whole:
            generation, credential, at = max(whole)
            return generation, at, credential
        # A first save cut short leaves one torn slot; two can only be damage.
        if all(slot is not None for slot in slots):
            raise CredentialError("neither copy of the credential in NV is whole")
        return None


def _open_slot(slot: bytes) -> tuple[int, bytes] | None:
    """Generation and credential of a slot, None when it is torn or not ours."""
    if len(slot) < _HEAD.size + _SUM:
        return None
    magic, generation, length = _HEAD.unpack_from(slot)
    end = _HEAD.size + length
    if magic != _MAGIC or length > MAX_CREDENTIAL or end + _SUM > len(slot):
        return None
    checksum = hashlib.sha256(slot[:end]).digest()
    if not hmac.compare_digest(checksum, slot[end : end + _SUM]):
        return None
    return generation, slot[_HEAD.size : end]


@dataclass(frozen=True, slots=True)
class FileCredential:
    """In a file that only its owner can read, replaced whole."""

    path: Path

    def load(self) -> bytes | None:
        """See CredentialStore."""
        try:
            with self.path.open("rb") as file:
                credential = file.read(MAX_CREDENTIAL + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialError(f"cannot read {self.path}: {error}") from error
        _check_size(credential)
        return credential

    def save(self, credential: bytes) -> None:
        """See CredentialStore."""
        _check_size(credential)
        fresh = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            self._replace(fresh, credential)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise CredentialError(f"cannot write {self.path}: {error}") from error

    def _replace(self, fresh: Path, credential: bytes) -> None:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(credential)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _check_size(credential: bytes) -> None:
    if not 0 < len(credential) <= MAX_CREDENTIAL:
        raise CredentialError(
            f"a credential of {len(credential)} bytes, limit {MAX_CREDENTIAL}"
        )
