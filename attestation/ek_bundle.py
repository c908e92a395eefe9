"""A bundle of TPM vendors' CA certificates and CRLs: one text file, with a version.

    Vouchgate-EK-Bundle: 1
    Name: tpm-vendors
    Version: 2026.11
    Digest: sha256:…

    -----BEGIN CERTIFICATE-----
    …
    -----BEGIN X509 CRL-----
    …

The digest is of the set of what is in it (`ek_store.content_digest`): a store that
holds just this has the same. Text between the parts is for people. Tools that read PEM
read the parts as they are. Source: RFC 7468, sections 2, 5 and 6.
"""

import base64
import binascii
import hashlib
import hmac
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509

from attestation.ek_root import load_root, told
from attestation.ek_store import content_digest, load_crl
from attestation.errors import PolicyError

MAX_BUNDLE = 16 * 1024 * 1024  # bytes
MAX_CERTIFICATES = 2000
MAX_CRLS = 500
_MAGIC = "Vouchgate-EK-Bundle"
_FORMAT = "1"
_HEADERS = (_MAGIC, "Name", "Version", "Digest")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_PART = re.compile(
    r"-----BEGIN (?P<kind>CERTIFICATE|X509 CRL)-----\r?\n"
    r"(?P<text>[A-Za-z0-9+/=\r\n]+)"
    r"-----END (?P=kind)-----"
)


@dataclass(frozen=True, slots=True)
class EkBundle:
    """What a bundle holds: certificates and CRLs as they came, by their digests."""

    name: str
    version: str
    certificates: tuple[bytes, ...] = field(repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        version: str,
        certificates: Iterable[bytes],
        crls: Iterable[bytes] = (),
    ) -> Self:
        """Put a bundle together.

        Raises:
            PolicyError: A name or version of another form; a certificate that is no
                CA's; a CRL that none of these CAs signed; too much or nothing of it.
        """
        if not _NAME.fullmatch(name):
            raise PolicyError("a bundle's name is lower-case letters, digits, . _ -")
        if not _VERSION.fullmatch(version):
            raise PolicyError("a bundle's version is letters, digits, . _ + -")
        parts = _sorted(certificates), _sorted(crls)
        if not parts[0] or len(parts[0]) > MAX_CERTIFICATES or len(parts[1]) > MAX_CRLS:
            raise PolicyError(
                f"a bundle holds 1 to {MAX_CERTIFICATES} certificates, and up to"
                f" {MAX_CRLS} CRLs"
            )
        loaded = [load_root(one).certificate for one in parts[0]]
        for one in parts[1]:
            load_crl(one, loaded)
        return cls(name, version, *parts)

    @property
    def digest(self) -> bytes:
        """SHA-256 over the set of what is in it."""
        return content_digest(map(_sha256, self.certificates), map(_sha256, self.crls))

    def encode(self) -> bytes:
        """The file; the same for the same bundle."""
        values = (_FORMAT, self.name, self.version, f"sha256:{self.digest.hex()}")
        lines = [
            f"{name}: {value}" for name, value in zip(_HEADERS, values, strict=True)
        ]
        for der in self.certificates:
            lines += [
                "",
                told(load_root(der).certificate.subject),
                _pem("CERTIFICATE", der),
            ]
        for der in self.crls:
            issuer = x509.load_der_x509_crl(der).issuer
            lines += ["", f"CRL of {told(issuer)}", _pem("X509 CRL", der)]
        return ("\n".join(lines) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a file. Raises PolicyError, also when its digest is of other things."""
        if len(data) > MAX_BUNDLE:
            raise PolicyError(f"a bundle over {MAX_BUNDLE} bytes")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise PolicyError("a bundle is a text file") from error
        headers = _headers(text)
        certificates, crls = split_pem(text)
        found = cls.of(headers["Name"], headers["Version"], certificates, crls)
        said = f"sha256:{found.digest.hex()}".encode()
        if not hmac.compare_digest(headers["Digest"].encode(), said):
            raise PolicyError("the bundle's digest is not that of what it holds")
        return found


def split_pem(text: str) -> tuple[list[bytes], list[bytes]]:
    """Certificates and CRLs of a text, as DER, in the order they stand.

    Raises:
        PolicyError: A part that is not whole, or of another kind.
    """
    found: dict[str, list[bytes]] = {"CERTIFICATE": [], "X509 CRL": []}
    for part in _PART.finditer(text):
        try:
            der = base64.b64decode("".join(part["text"].split()), validate=True)
        except binascii.Error as error:
            raise PolicyError("a PEM part that cannot be read") from error
        found[part["kind"]].append(der)
    if text.count("-----BEGIN ") != sum(map(len, found.values())):
        raise PolicyError("a PEM part that is not whole, or no certificate and no CRL")
    return found["CERTIFICATE"], found["X509 CRL"]


def _headers(text: str) -> dict[str, str]:
    """The lines before the first empty one, each name once and in order."""
    head = text.replace("\r\n", "\n").split("\n\n", 1)[0].split("\n")
    pairs = [line.partition(": ") for line in head[: len(_HEADERS) + 1]]
    if [name for name, _, _ in pairs] != list(_HEADERS):
        raise PolicyError(f"not an EK bundle: it begins with {', '.join(_HEADERS)}")
    found = {name: value for name, _, value in pairs}
    if found[_MAGIC] != _FORMAT:
        raise PolicyError("an EK bundle of another format than 1")
    return found


def _sorted(parts: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(sorted(set(parts), key=_sha256))


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _pem(kind: str, der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"
