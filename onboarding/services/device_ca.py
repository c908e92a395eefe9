"""The manufacturer's authority over device certificates."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from onboarding.services.errors import KeyStoreError, Problem, SettingsError
from onboarding.services.key_material import certificate_hash, strong, usage
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore, Stamp
from ownership_vouchers.algorithms import SigningKey, VerifyKey
from ownership_vouchers.device_chain import check_authorities
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import (
    UNREADABLE,
    PublicKey,
    certificate_key,
    load_certificate,
)

MAX_CHAIN = 8  # a voucher holds ten certificates, the device's among them
LOOK_SECONDS = 1.0
_YEARS = timedelta(days=30 * 365)
_BACKDATE = timedelta(days=1)  # a device's clock may be behind


@dataclass(frozen=True, slots=True)
class _Issuer:
    """A device CA: its key, and its certificate with those above it, as DER too.

    ``times`` are when all of them hold, seconds since 1970.
    """

    fingerprint: str
    key: SigningKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    der: tuple[bytes, ...]
    times: tuple[float, float]

    @classmethod
    def of(
        cls, fingerprint: str, key: SigningKey, chain: tuple[x509.Certificate, ...]
    ) -> Self:
        der = tuple(one.public_bytes(Encoding.DER) for one in chain)
        return cls(fingerprint, key, chain, der, times_of(chain))


class DeviceCas:
    """Every device CA in the key store; a file that is new or changed is read anew.

    Args:
        store: Where they are.
        look_seconds: How long it may take until a change is seen.
        monotonic: A clock that a test may replace.
    """

    def __init__(
        self,
        store: KeyStore,
        look_seconds: float = LOOK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._look_seconds = look_seconds
        self._monotonic = monotonic
        self._due = monotonic()
        self._lock = Lock()
        self._stamp: Stamp | None = None
        self._issuers: Mapping[str, _Issuer] = {}
        if not self._fresh():
            raise SettingsError(
                "there is no device CA: make one with `vouchgate keys new --kind"
                " device-ca`"
            )

    def issue(
        self, device_key: VerifyKey, serial: str, *, now: int, name: str | None = None
    ) -> tuple[bytes, ...]:
        """Return the device's chain, leaf first, as DER; the leaf lasts 30 years.

        A CA of the device key's own kind signs, or one as strong, so that a chain is
        what the key is that it vouches for; else the first CA.

        Args:
            device_key: Its holder has been asked to prove that it is theirs.
            serial: The device's serial number: the certificate's common name.
            now: Seconds since 1970, UTC.
            name: The CA of this name signs, and no other.

        Raises:
            KeyStoreError: There is no such CA, or its certificate is out of date.
        """
        issuer = self._of(device_key, name)
        since, until = issuer.times
        start = datetime.fromtimestamp(now, UTC)
        if not since <= now <= until:
            _require_dates(issuer.chain, start)
        leaf = _leaf(issuer, device_key, serial, start - _BACKDATE)
        return leaf.public_bytes(Encoding.DER), *issuer.der

    def _of(self, device_key: VerifyKey, name: str | None) -> _Issuer:
        issuers = self._fresh()
        if name is not None:
            if name not in issuers:
                raise KeyStoreError(f"there is no device CA {name}")
            return issuers[name]
        size, every = device_key.key_size, list(issuers.values())
        same = [one for one in every if one.key.key_size == size]
        alike = [one for one in every if strong(one.key.key_size) == strong(size)]
        return (same or alike or every)[0]

    def _fresh(self) -> Mapping[str, _Issuer]:
        """The CAs by name, read again when a key file changed."""
        if self._monotonic() < self._due:
            return self._issuers
        stamp = self._store.stamp()
        with self._lock:
            self._due = self._monotonic() + self._look_seconds
            if stamp != self._stamp:
                self._issuers = {
                    info.name: self._open(info)
                    for info in self._store.list(KeyKind.DEVICE_CA)
                }
                self._stamp = stamp
            return self._issuers

    def _open(self, info: KeyInfo) -> _Issuer:
        chain = self._store.chain(info.name)
        known = self._issuers.get(info.name)
        if known is not None and known.fingerprint == info.fingerprint:
            return _Issuer.of(known.fingerprint, known.key, chain)
        key = self._store.private_key(info.name)
        return _Issuer.of(info.fingerprint, key, chain)


def times_of(chain: Sequence[x509.Certificate]) -> tuple[float, float]:
    """Return from when until when all of a chain hold, seconds since 1970."""
    return (
        max(one.not_valid_before_utc.timestamp() for one in chain),
        min(one.not_valid_after_utc.timestamp() for one in chain),
    )


def request(store: KeyStore, name: str) -> bytes:
    """Return a certificate request (PKCS#10, PEM) for a device CA's key.

    Raises:
        KeyStoreError: The key is no device CA, or does not open.
    """
    subject = store.chain(name)[0].subject
    basic = x509.BasicConstraints(ca=True, path_length=0)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(basic, critical=True)
    key = store.private_key(name)
    made = builder.sign(key, certificate_hash(key))
    return made.public_bytes(Encoding.PEM)


def take_chain(store: KeyStore, name: str, pem: bytes, now: int) -> KeyInfo:
    """Give a device CA the certificates that an authority above issued for its key.

    Args:
        pem: The certificate for the key, then those above it in order. The root
            comes last if devices' vouchers are to carry it, or is left out.
        now: Seconds since 1970, UTC.

    Raises:
        Problem: 422; says which certificate is not what it must be.
        KeyStoreError: The key is no device CA, or does not open.
    """
    chain = _read(pem)
    wanted = store.chain(name)[0].public_key()
    if chain[0].public_key() != wanted:
        raise _refused("The first certificate is not for this key.")
    try:
        for one in chain:
            PublicKey.of(certificate_key(one))
        check_authorities(chain)
        _require_dates(chain, datetime.fromtimestamp(now, UTC))
    except (VoucherError, KeyStoreError) as error:
        raise _refused(f"The chain does not hold: {error}.") from error
    return store.set_chain(name, chain)


def _read(pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        found = x509.load_pem_x509_certificates(pem)
        whole = [load_certificate(one.public_bytes(Encoding.DER)) for one in found]
    except (*UNREADABLE, VoucherError, UnsupportedAlgorithm) as error:
        raise _refused("There is no readable certificate in it.") from error
    if len(whole) > MAX_CHAIN:
        raise _refused(f"A chain has at most {MAX_CHAIN} certificates.")
    return tuple(whole)


def _refused(detail: str) -> Problem:
    return Problem(
        422,
        "ca-chain-refused",
        detail,
        remedy="Give the CA's own certificate first, then each one's issuer, in PEM.",
    )


def _require_dates(chain: Sequence[x509.Certificate], now: datetime) -> None:
    """Raises KeyStoreError if a certificate of an authority does not hold now."""
    for one in chain:
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            raise KeyStoreError(
                f"certificate {one.subject.rfc4514_string()} is not valid now"
            )


def _leaf(
    issuer: _Issuer, device_key: VerifyKey, serial: str, start: datetime
) -> x509.Certificate:
    key = issuer.key
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(serial))
        .issuer_name(issuer.chain[0].subject)
        .public_key(device_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _YEARS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(above, critical=False)
    )
    return builder.sign(key, certificate_hash(key))


def _name(serial: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial[:64] or "device")])


_SIGNS = usage(signs=True)
