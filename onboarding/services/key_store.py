"""The keys of a service: one file per key, and where that says so, a token or a TPM.

See ``key_files`` for what a file holds, ``pkcs11_token`` for what a token does, and
``tpm_custody`` for what a TPM does.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.services import key_files, key_material
from onboarding.services.errors import CustodyError, KeyStoreError
from onboarding.services.held_keys import HeldRsaKey, Holder
from onboarding.services.key_info import Custody as Custody
from onboarding.services.key_info import KeyInfo as KeyInfo
from onboarding.services.key_info import KeyKind as KeyKind
from onboarding.services.key_material import KeyAlgorithm, NewKey
from onboarding.services.pkcs11_token import Token
from onboarding.services.settings import Settings, read_passphrase
from onboarding.services.tpm_custody import TpmCustody
from ownership_vouchers.algorithms import SigningKey, SoftSigner

_UNSET = {
    Custody.PKCS11: "a PKCS#11 token: set VOUCHGATE_PKCS11_MODULE,"
    " VOUCHGATE_PKCS11_TOKEN and VOUCHGATE_PKCS11_PIN_FILE",
    Custody.TPM: "a TPM: set VOUCHGATE_TPM_TCTI and VOUCHGATE_TPM_AUTH_FILE",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Stamp = frozenset[tuple[str, int, int, int]]


class KeyStore:
    """A directory of key files opened by one passphrase.

    Args:
        holders: Where keys are that are not in their files.
        asymkex: Devices may ask an RSA owner key to decrypt, so each must be able to.
    """

    def __init__(
        self,
        directory: Path,
        passphrase: bytes,
        holders: Mapping[Custody, Holder] | None = None,
        *,
        asymkex: bool = False,
    ) -> None:
        self._directory = directory
        self._passphrase = passphrase
        self._holders = holders or {}
        self._asymkex = asymkex

    @classmethod
    def of(cls, settings: Settings, *, closed: bool = False) -> Self:
        """Return the store that the settings name.

        Args:
            closed: Without the passphrase, to list what is there.

        Raises:
            SettingsError: No passphrase is named, or its file cannot be read.
        """
        file = settings.key_passphrase_file
        passphrase = b"" if closed else read_passphrase(file)
        made = {
            Custody.PKCS11: Token.of(settings),
            Custody.TPM: TpmCustody.of(settings),
        }
        holders = {where: one for where, one in made.items() if one is not None}
        asymkex = settings.to2_asymkex
        return cls(settings.key_directory, passphrase, holders, asymkex=asymkex)

    def __repr__(self) -> str:
        return f"KeyStore({str(self._directory)!r})"

    def create(
        self,
        name: str,
        kind: KeyKind,
        algorithm: KeyAlgorithm,
        custody: Custody = Custody.FILE,
    ) -> KeyInfo:
        """Make a new key, and a certificate for it.

        Raises:
            KeyStoreError: The name is taken or not allowed, or a device CA with PSS,
                or the holder cannot do what such a key is for: then nothing is left
                in it.
        """
        ca = kind is KeyKind.DEVICE_CA
        if custody is Custody.FILE:
            return self._add(
                name, kind, algorithm, key_material.generate(algorithm, ca=ca)
            )
        key_material.require_issuing(algorithm, ca=ca)
        self._require_free(name)
        holder = self._holder(name, custody)
        decrypts = kind is KeyKind.OWNER and not algorithm.startswith("P-")
        with holder.new_key(name, algorithm, decrypts=decrypts) as (key, kept):
            if kind is KeyKind.OWNER:
                self._require_kex(name, key)
            made = key_material.described(key, ca=ca, private=kept)
            return self._add(name, kind, algorithm, made, key.uri)

    def adopt(
        self, name: str, kind: KeyKind, key: SigningKey, *, pss: bool = False
    ) -> KeyInfo:
        """Take in a key that was made elsewhere; a device CA is made here only.

        Args:
            pss: An RSA key is for signatures with PSS, which the key does not tell.

        Raises:
            KeyStoreError: The name is taken or not allowed, or the key is here
                already, or of a kind that FDO does not use.
        """
        if kind is KeyKind.DEVICE_CA:
            raise KeyStoreError("a device CA and its certificate are made here")
        algorithm = key_material.algorithm_of(key, pss=pss)
        made = key_material.packed(key)
        for info in self.list():
            if info.fingerprint == made.fingerprint:
                raise KeyStoreError(f"the key is here already, as {info.name}")
        return self._add(name, kind, algorithm, made)

    def _add(
        self,
        name: str,
        kind: KeyKind,
        algorithm: KeyAlgorithm,
        made: NewKey,
        uri: str | None = None,
    ) -> KeyInfo:
        self._require_name(name)
        said = (made.fingerprint, made.public_pem, made.certificate_pem)
        info = KeyInfo(name, kind, algorithm, *said, uri)
        self._write(info, made.private)
        return info

    def list(self, kind: KeyKind | None = None) -> tuple[KeyInfo, ...]:
        """Describe every key, by name; needs no passphrase."""
        paths = sorted(self._directory.glob(f"*{key_files.SUFFIX}"))
        found = [key_files.info_of(key_files.read(path)) for path in paths]
        return tuple(one for one in found if kind in (None, one.kind))

    def stamp(self) -> Stamp:
        """What changes whenever a key file comes, goes or is written anew.

        Raises:
            KeyStoreError: The directory cannot be read.
        """
        try:
            with os.scandir(self._directory) as entries:
                files = [one for one in entries if one.name.endswith(key_files.SUFFIX)]
                return frozenset(_stamp(one.name, one.stat()) for one in files)
        except FileNotFoundError as error:
            raise KeyStoreError(
                f"there is no key directory {self._directory}: make a key with"
                " `vouchgate keys new`, or set VOUCHGATE_KEY_DIRECTORY"
            ) from error
        except OSError as error:
            raise KeyStoreError(f"{self._directory}: {error.strerror}") from error

    def signer(self, name: str) -> SoftSigner:
        """Open a signing key. Raises KeyStoreError."""
        info, key = self._info(name), self.private_key(name)
        if info.kind is KeyKind.OWNER:
            self._require_kex(name, key)
        return SoftSigner(key, pss=info.algorithm.pss, decrypts=_decrypts(key))

    def private_key(self, name: str) -> SigningKey:
        """Open a signing key as ``cryptography`` knows it. Raises KeyStoreError."""
        private, info = self._open(name), self._info(name)
        if info.uri is None:
            return key_material.load_private(private)
        public = key_material.load_public(info.public_pem)
        holder = self._holder(name, info.custody)
        return holder.key(info.uri, private, public, info.algorithm)

    def chain(self, name: str) -> tuple[x509.Certificate, ...]:
        """Return a device CA's certificate, then those above it.

        Raises:
            KeyStoreError: The key is none, or its file was altered.
        """
        info = self._info(name)
        pem = info.certificate_pem
        if pem is None or info.kind is not KeyKind.DEVICE_CA:
            raise KeyStoreError(f"key {name} is no device CA, so it has no certificate")
        return tuple(x509.load_pem_x509_certificates(pem.encode()))

    def set_chain(self, name: str, chain: Sequence[x509.Certificate]) -> KeyInfo:
        """Put other certificates in the place of a device CA's; nothing is checked.

        Raises:
            KeyStoreError: The key is no device CA, or does not open.
        """
        private = self._open(name)
        info = self._info(name)
        if info.kind is not KeyKind.DEVICE_CA:
            raise KeyStoreError(f"key {name} is no device CA, so it has no certificate")
        pem = "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)
        changed = replace(info, certificate_pem=pem)
        self._write(changed, private, over=True)
        return changed

    def check(self) -> None:
        """Whether what holds keys answers; files need nobody.

        Raises:
            CustodyError: A key cannot be used.
        """
        for custody in {info.custody for info in self.list()} - {Custody.FILE}:
            self._holder("in use", custody).check()

    def _holder(self, name: str, custody: Custody) -> Holder:
        if custody not in self._holders:
            raise CustodyError(f"key {name} is for {_UNSET[custody]}")
        return self._holders[custody]

    def _require_kex(self, name: str, key: SigningKey) -> None:
        """A device that chose ASYMKEX could not be served; better to say so now."""
        if self._asymkex and isinstance(key, HeldRsaKey) and not key.decrypts:
            raise KeyStoreError(
                f"owner key {name} cannot decrypt where it is ({key.why_not}), and"
                " ASYMKEX key exchange asks it to: set VOUCHGATE_TO2_ASYMKEX=false, or"
                " keep an RSA owner key in a file, or use P-256 or P-384"
            )

    def _require_free(self, name: str) -> None:
        self._require_name(name)
        if self._path(name).exists():
            raise KeyStoreError(f"key {name} exists already")

    def _require_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise KeyStoreError(f"{name!r}: use a-z, 0-9 and '-' in a key's name")

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{key_files.SUFFIX}"

    def _info(self, name: str) -> KeyInfo:
        return key_files.info_of(key_files.read(self._path(name)))

    def _write(self, info: KeyInfo, private: bytes, *, over: bool = False) -> None:
        body = key_files.seal(info, private, self._passphrase)
        key_files.write_whole(self._path(info.name), body, over=over)

    def _open(self, name: str) -> bytes:
        fields = key_files.read(self._path(name))
        return key_files.unseal(fields, self._passphrase, name)


def _decrypts(key: SigningKey) -> bool:
    return not isinstance(key, HeldRsaKey) or key.decrypts


def _stamp(name: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return name, status.st_ino, status.st_mtime_ns, status.st_size
