"""Callers who show a certificate in the TLS handshake, of an authority that we name.

TLS has checked the chain, and that the certificate is one for clients; a connection may
outlast it, so its end is looked at with each request.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from cryptography import x509

from onboarding.services.people import Person
from onboarding.store.apikeys import Role
from onboarding.store.errors import ApiKeyRefused

CERTIFICATE = "vouchgate.certificate"  # in a scope: DER, if one was shown
_LONGEST = 255  # characters of a subject

Roles = Mapping[str, tuple[Role, ...]]


def person_of(der: bytes, roles: Roles, now: int) -> Person:
    """Return whom a certificate names.

    Args:
        roles: By subject, as RFC 4514 writes it: ``CN=importer,O=Example``.

    Raises:
        ApiKeyRefused: Its subject has no role here, or it ran out.
    """
    subject, until = _read(der)
    named = roles.get(subject)
    if not named or until <= now:
        raise ApiKeyRefused("the certificate is not good for anything here")
    whose = hashlib.sha256(subject.encode()).hexdigest()
    return Person(f"cert-{whose[:32]}", "cert", subject, frozenset(named), until)


@lru_cache(maxsize=256)
def _read(der: bytes) -> tuple[str, int]:
    """Subject and end. Raises ApiKeyRefused."""
    try:
        read = x509.load_der_x509_certificate(der)
        subject = read.subject.rfc4514_string()
        until = int(read.not_valid_after_utc.timestamp())
    except ValueError as error:
        raise ApiKeyRefused("the certificate cannot be read") from error
    if not subject or len(subject) > _LONGEST or not subject.isprintable():
        raise ApiKeyRefused("the certificate's subject cannot be logged")
    return subject, until
