"""Changing the trust store of endorsement keys: what a change would do, then doing it.

A bundle replaces what earlier bundles of its name brought; what a person trusted by
hand stays. A CRL makes place for a newer one of the same CA, never for an older one.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.ek_bundle import EkBundle
from attestation.ek_path import leads_to_root
from attestation.ek_root import load_root, told
from attestation.ek_store import EkTrust, load_crl
from attestation.errors import PolicyError
from onboarding.store.ek_trust_records import (
    BundleName,
    EkCrlRecord,
    EkRootRecord,
    EkTrustCause,
    EkTrustChange,
    EkTrustState,
)
from onboarding.store.errors import NotFound


def trusting(
    state: EkTrustState, ders: Iterable[bytes], actor: str, now: int
) -> EkTrustChange:
    """Trust certificates (DER) by hand.

    Raises:
        PolicyError: One is no CA's certificate.
    """
    known = {one.digest for one in state.roots}
    found = {one.digest: one for one in (_root(der, actor, now) for der in ders)}
    fresh = tuple(one for digest, one in found.items() if digest not in known)
    return EkTrustChange(EkTrustCause.TRUSTED, roots=fresh)


def distrusting(state: EkTrustState, digest: bytes) -> EkTrustChange:
    """Trust a certificate no longer; CRLs that nobody here signed then go, too.

    Raises:
        NotFound: It is not trusted.
    """
    if digest not in {one.digest for one in state.roots}:
        raise NotFound(f"there is no EK root {digest.hex()}")
    left = [one for one in state.roots if one.digest != digest]
    gone = frozenset({digest, *_orphans(state.crls, left)})
    return EkTrustChange(EkTrustCause.DISTRUSTED, removed=gone)


def listing(
    state: EkTrustState, ders: Iterable[bytes], actor: str, now: int
) -> EkTrustChange:
    """Take CRLs (DER) of CAs that are trusted; each replaces that CA's older one.

    Raises:
        PolicyError: One cannot be used, or is older than what is here.
    """
    roots = _loaded(state.roots)
    given = _crls(ders, roots, actor, now, None)
    fresh, gone = _newer(given, state.crls, roots)
    here = {one.digest for one in (*fresh, *state.crls)}
    for one in given:
        if one.digest not in here:
            raise PolicyError(f"there is a newer CRL of {one.issuer} here")
    return EkTrustChange(EkTrustCause.CRLS, crls=fresh, removed=gone)


def dropping_crl(state: EkTrustState, digest: bytes) -> EkTrustChange:
    """Ask a CRL no longer. Raises NotFound when there is none of that digest."""
    if digest not in {one.digest for one in state.crls}:
        raise NotFound(f"there is no CRL {digest.hex()}")
    return EkTrustChange(EkTrustCause.CRL_DROPPED, removed=frozenset({digest}))


def importing(
    state: EkTrustState, bundle: EkBundle, actor: str, now: int
) -> EkTrustChange:
    """Bring the store to what a bundle says; what was trusted by hand stays."""
    roots = {one.digest: one for one in state.roots}
    brought = [_root(der, actor, now, bundle.name) for der in bundle.certificates]
    fresh = tuple(one for one in brought if one.digest not in roots)
    named = {one.digest for one in brought}
    gone = {
        digest
        for digest, one in roots.items()
        if one.bundle == bundle.name and digest not in named
    }
    left = [one for one in (*state.roots, *fresh) if one.digest not in gone]
    loaded = _loaded(left)
    lists = _crls(bundle.crls, loaded, actor, now, bundle.name)
    crls, replaced = _newer(lists, state.crls, loaded)
    gone |= _orphans(state.crls, left) | replaced
    return EkTrustChange(
        EkTrustCause.BUNDLE,
        fresh,
        crls,
        frozenset(gone),
        BundleName(bundle.name, bundle.version, bundle.digest),
    )


def lost(state: EkTrustState, named: Collection[bytes], now: int) -> list[str]:
    """Subjects of those of ``named`` (digests) from which no path leads to a root."""
    roots = {one.digest: load_root(one.certificate) for one in state.roots}
    trust, at = EkTrust(tuple(roots.values())), datetime.fromtimestamp(now, UTC)
    found = (root for digest, root in roots.items() if digest in named)
    return [
        told(one.certificate.subject)
        for one in found
        if not leads_to_root(one, trust, at)
    ]


def _root(der: bytes, actor: str, now: int, bundle: str | None = None) -> EkRootRecord:
    return EkRootRecord(
        der, told(load_root(der).certificate.subject), now, actor, bundle
    )


def _loaded(records: Iterable[EkRootRecord]) -> list[x509.Certificate]:
    return [load_root(one.certificate).certificate for one in records]


def _crls(
    ders: Iterable[bytes],
    roots: Sequence[x509.Certificate],
    actor: str,
    now: int,
    bundle: str | None,
) -> tuple[EkCrlRecord, ...]:
    found = {}
    for der in ders:
        one = load_crl(der, roots)
        times = (int(one.this_update.timestamp()), int(one.next_update.timestamp()))
        der = one.crl.public_bytes(Encoding.DER)
        record = EkCrlRecord(der, told(one.crl.issuer), *times, now, actor, bundle)
        found[record.digest] = record
    return tuple(found.values())


def _newer(
    fresh: Iterable[EkCrlRecord],
    here: Sequence[EkCrlRecord],
    roots: Sequence[x509.Certificate],
) -> tuple[tuple[EkCrlRecord, ...], frozenset[bytes]]:
    """The lists newer than those here of the same CA, and what they replace."""
    kept: list[EkCrlRecord] = []
    gone: set[bytes] = set()
    for record in fresh:
        same = [one for one in here if _same_issuer(one, record, roots)]
        if any(_age(one) >= _age(record) for one in same):
            continue
        kept.append(record)
        gone |= {one.digest for one in same}
    return tuple(kept), frozenset(gone)


def _age(record: EkCrlRecord) -> tuple[int, int]:
    crl = x509.load_der_x509_crl(record.crl)
    numbers = (one.value for one in crl.extensions if one.oid == x509.CRLNumber.oid)
    number = next(numbers, None)
    found = number.crl_number if isinstance(number, x509.CRLNumber) else 0
    return record.this_update, found


def _same_issuer(
    old: EkCrlRecord, new: EkCrlRecord, roots: Sequence[x509.Certificate]
) -> bool:
    """Whether one CA, by name and key, signed both."""
    try:
        one, other = load_crl(old.crl, roots), load_crl(new.crl, roots)
    except PolicyError:
        return False  # its CA goes with this change
    same = one.crl.issuer == other.crl.issuer
    return same and one.issuer_key == other.issuer_key


def _orphans(crls: Iterable[EkCrlRecord], left: Sequence[EkRootRecord]) -> set[bytes]:
    roots, gone = _loaded(left), set()
    for one in crls:
        try:
            load_crl(one.crl, roots)
        except PolicyError:
            gone.add(one.digest)
    return gone
