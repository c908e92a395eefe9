"""Workload manifests: a few small files, signed by the owner as one bundle.

The digest is of the signed payload, so it names exactly the bytes the owner signed.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Self

from attestation.documents import (
    ContentType,
    malformed,
    open_payload,
    read_fields,
    sign_payload,
)
from attestation.errors import DocumentFault, DocumentRefused
from ownership_vouchers import cbor
from ownership_vouchers.algorithms import Signer, VerifyKey
from ownership_vouchers.errors import VoucherError

MAX_FILES = 64
MAX_FILE = 256 * 1024  # bytes
MAX_BUNDLE = 1024 * 1024  # bytes, all of it
MAX_DEPTH = 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,127}"
RELATIVE_PATH = rf"^{_SEGMENT}(?:/{_SEGMENT}){{0,{MAX_DEPTH - 1}}}$"
_PATH = re.compile(RELATIVE_PATH)


@unique
class ManifestKind(StrEnum):
    """What applies the files."""

    QUADLET = "quadlet"  # podman units for systemd
    KUBE = "kube"  # Kubernetes YAML


@dataclass(frozen=True, slots=True)
class Manifest:
    """Named, versioned files: ``(path, content)``, paths relative with ``/``.

    Raises:
        DocumentRefused: UNSAFE_CONTENT: a path that could leave its directory or mean
            two files, or more than we carry.
    """

    name: str
    version: int
    kind: ManifestKind
    files: tuple[tuple[str, bytes], ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or not 1 <= self.version < 1 << 31:
            raise _unsafe("name is letters, digits, '.', '_', '-'; version from 1")
        if not 1 <= len(self.files) <= MAX_FILES:
            raise _unsafe(f"a manifest has 1 to {MAX_FILES} files")
        if any(len(content) > MAX_FILE for _, content in self.files):
            raise _unsafe(f"a file has at most {MAX_FILE} bytes")
        require_safe_paths(self.paths)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self.files)

    def payload(self) -> bytes:
        """The CBOR map that is signed."""
        files = [
            [path, hashlib.sha256(content).digest(), content]
            for path, content in self.files
        ]
        fields = {1: self.name, 2: self.version, 3: self.kind.value, 4: files}
        return cbor.encode(fields)

    def digest(self) -> str:
        """SHA-256 of the payload, 64 hexadecimal digits."""
        return hashlib.sha256(self.payload()).hexdigest()

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Raises DocumentRefused on any other shape, or a file not of its digest."""
        fields = read_fields(payload, 4)
        try:
            files = cbor.array(fields[4], limit=MAX_FILES)
            return cls(
                cbor.tstr(fields[1], 64),
                cbor.uint(fields[2], 31),
                ManifestKind(cbor.tstr(fields[3], 32)),
                tuple(_file(one) for one in files),
            )
        except (VoucherError, ValueError) as error:
            raise malformed(error) from error


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest with the owner's signature: proof that ``open_bundle`` ran.

    ``digest`` is of the payload as received, 64 hexadecimal digits.
    """

    manifest: Manifest
    digest: str


def sign_bundle(manifest: Manifest, signer: Signer) -> bytes:
    """Sign ``manifest`` with the owner's key."""
    payload = manifest.payload()
    if len(payload) > MAX_BUNDLE - 1024:
        raise _unsafe(f"a bundle has at most {MAX_BUNDLE} bytes")
    return sign_payload(ContentType.BUNDLE, payload, signer)


def open_bundle(
    data: bytes, owner_key: VerifyKey, expected_digest: str | None = None
) -> Bundle:
    """Return the owner's manifest; each file has the digest beside it.

    Raises:
        DocumentRefused: Malformed, not the owner's, unsafe, or not the manifest of
            ``expected_digest``.
    """
    payload = open_payload(ContentType.BUNDLE, data, owner_key, MAX_BUNDLE)
    digest = hashlib.sha256(payload).hexdigest()
    if expected_digest is not None and digest != expected_digest:
        raise DocumentRefused(
            DocumentFault.WRONG_MANIFEST, "the bundle is of another manifest"
        )
    return Bundle(Manifest.from_payload(payload), digest)


def require_safe_paths(paths: Iterable[str]) -> None:
    """Refuse absolute, upward, hidden, odd, repeated or nested-in-a-file paths.

    Raises:
        DocumentRefused: UNSAFE_CONTENT.
    """
    seen: set[str] = set()
    for path in paths:
        if not _PATH.fullmatch(path):
            raise _unsafe(f"path {path[:80]!r} is not taken")
        folded = path.lower()
        if folded in seen:
            raise _unsafe(f"path {path!r} stands twice")
        seen.add(folded)
    for path in seen:
        if any(other.startswith(path + "/") for other in seen):
            raise _unsafe(f"{path!r} would be a file and a directory")


def _file(item: object) -> tuple[str, bytes]:
    path, digest, content = cbor.array(item, 3)
    data = cbor.bstr(content, limit=MAX_FILE)
    if not hmac.compare_digest(hashlib.sha256(data).digest(), cbor.bstr(digest, 32)):
        raise DocumentRefused(
            DocumentFault.MALFORMED, "a file has not the digest beside it"
        )
    return cbor.tstr(path, 512), data


def _unsafe(sentence: str) -> DocumentRefused:
    return DocumentRefused(DocumentFault.UNSAFE_CONTENT, sentence)
