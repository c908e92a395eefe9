"""Callers who come with a token of an identity provider: OpenID Connect.

Any conforming issuer will do: where its keys are is found out by discovery. Nothing
of a token is believed before its signature, by an algorithm that the settings allow,
holds under a key of the issuer's.

Source: OpenID Connect Discovery 1.0, sections 3 and 4; RFC 7517; RFC 9068, section 4.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import httpx
import jwt

from onboarding.http_client import client, pieces, within
from onboarding.services import logs
from onboarding.services.context import Context
from onboarding.services.errors import Problem, ServicesError, SettingsError
from onboarding.services.people import Person
from onboarding.services.settings import Settings, read_secret
from onboarding.store.apikeys import Role
from onboarding.store.errors import ApiKeyRefused
from onboarding.tls import PUBLIC, Trust, TrustError, context_of

DISCOVERY = "/.well-known/openid-configuration"
TOKEN_LIMIT = 8192  # characters
ANSWER_LIMIT = 256 * 1024  # bytes of what an issuer says
MOST_KEYS = 64
FRESH_SECONDS = 3600  # after which keys are asked for again
STALE_SECONDS = 24 * 3600  # for which they are good when the issuer is away
ASK_EVERY = 30  # seconds between two questions, whatever tokens name
SECONDS = 5.0
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}  # by algorithm

log = logging.getLogger(__name__)


class IssuerError(ServicesError):
    """The issuer gave no usable answer."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """The issuer's keys by their names, as they were at a time."""

    by_name: Mapping[str, Mapping[str, Any]]
    at: int


class Issuer:
    """One issuer: its keys, kept, and its tokens, judged. Safe in any thread.

    Args:
        settings: Names an issuer (``oidc_issuer``).
        opened: A client of ``http_client``; each use of it is closed.
        seconds: How long both answers of the issuer may take together.
    """

    def __init__(
        self,
        settings: Settings,
        opened: Callable[[], httpx.Client],
        now: Callable[[], int],
        seconds: float = 2 * SECONDS,
    ) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer or ""
        self._opened = opened
        self._now = now
        self._seconds = seconds
        self._lock = Lock()
        self._keys = _Keys({}, 0)
        self._asked_at = 0

    def verify(self, token: str) -> Person:
        """Return who a token speaks of.

        Raises:
            ApiKeyRefused: Told alike, whatever is wrong with it; our log has it.
            Problem: 503; no key of the issuer's is known, or all are too old.
        """
        try:
            return self._person(self._claims(token))
        except (jwt.PyJWTError, IssuerError, ValueError, TypeError) as error:
            said = "a token was refused: %s: %s"
            bound = logs.refused("token", type(error).__name__)
            log.info(said, type(error).__name__, error, extra=bound)
            raise ApiKeyRefused("the token is not valid") from error

    def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > TOKEN_LIMIT:
            raise IssuerError(f"a token of over {TOKEN_LIMIT} characters")
        head = jwt.get_unverified_header(token)
        algorithm, name = head.get("alg"), head.get("kid", "")
        if algorithm not in self._settings.oidc_algorithms:
            raise IssuerError("its algorithm is not allowed")
        key = self._key(str(name), str(algorithm))
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[str(algorithm)],
            audience=self._settings.oidc_audience,
            issuer=self._issuer,
            leeway=self._settings.oidc_skew_seconds,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        return claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject = claims["sub"]
        if not 0 < len(subject) <= 255 or not subject.isprintable():
            raise IssuerError("its subject is none that can be logged")
        roles = roles_of(claims, self._settings)
        if not roles:
            raise IssuerError("it has no role here")
        whose = hashlib.sha256(f"{self._issuer}\0{subject}".encode()).hexdigest()
        until = int(claims["exp"])
        return Person(f"oidc-{whose[:32]}", "oidc", subject, roles, until)

    def _key(self, name: str, algorithm: str) -> jwt.PyJWK:
        """The key of that name, if it is one for that algorithm."""
        found = self._known().get(name)
        if found is None:
            found = self._known(missing=True).get(name)
        if found is None:
            raise IssuerError("the issuer has no such key")
        fits = found.get("kty") == _KINDS.get(algorithm[:2])
        if not fits or found.get("alg", algorithm) != algorithm:
            raise IssuerError("its key is for another algorithm")
        if found.get("use", "sig") != "sig":
            raise IssuerError("its key is not for signatures")
        return jwt.PyJWK(dict(found), algorithm=algorithm)

    def _known(self, *, missing: bool = False) -> Mapping[str, Mapping[str, Any]]:
        """The issuer's keys; asked for anew if one is missing, but not too often.

        One caller asks, and whoever comes meanwhile goes by what is known: an issuer
        that is slow to answer must not hold up the threads that all others share.

        Raises:
            Problem: 503.
        """
        now = self._now()
        if self._is_to_ask(now, missing):
            self._renew(now)
        known = self._keys
        if now - known.at >= STALE_SECONDS:
            raise Problem(
                503,
                "issuer-unavailable",
                "The keys of the identity provider are not known, or too old.",
                extra={"retry_after": ASK_EVERY},
            )
        return known.by_name

    def _is_to_ask(self, now: int, missing: bool) -> bool:
        """Whether to ask the issuer now; one caller is told so, and no other soon."""
        with self._lock:
            old = now - self._keys.at >= FRESH_SECONDS
            if not (old or missing) or now - self._asked_at < ASK_EVERY:
                return False
            self._asked_at = now
            return True

    def _renew(self, now: int) -> None:
        try:
            with within(self._seconds), self._opened() as http:
                found = _ask(http, self._place_of_keys(http))
            self._keys = _Keys(_named(found), now)
        except IssuerError as error:
            log.warning("the issuer %s: %s", self._issuer, error)

    def _place_of_keys(self, http: httpx.Client) -> str:
        said = _ask(http, self._issuer.rstrip("/") + DISCOVERY)
        if said.get("issuer") != self._issuer:
            raise IssuerError("it calls itself something else")
        where = said.get("jwks_uri")
        if not isinstance(where, str) or not safe_url(where):
            raise IssuerError("it names no safe place for its keys")
        return where


def issuer_of(context: Context) -> Issuer | None:
    """The issuer that the settings name, if they do.

    Raises:
        SettingsError: It is no HTTPS URL, or there is nothing to check it with.
    """
    settings = context.settings
    if settings.oidc_issuer is None:
        return None
    if not safe_url(settings.oidc_issuer):
        raise SettingsError("VOUCHGATE_OIDC_ISSUER: an https:// URL, or on loopback")
    trust = PUBLIC
    if settings.oidc_ca is not None:
        trust = Trust(read_secret(settings.oidc_ca))
    try:
        verify = context_of(trust)
    except TrustError as error:
        raise SettingsError(f"VOUCHGATE_OIDC_CA: {error}") from error
    return Issuer(settings, partial(client, verify, timeout=SECONDS), context.now)


def roles_of(claims: Mapping[str, Any], settings: Settings) -> frozenset[Role]:
    """The roles that a token's claim stands for; what it says besides is nothing.

    The claim's name is a path: ``realm_access.roles`` is ``roles`` in ``realm_access``.
    """
    value: object = claims
    for part in settings.oidc_role_claim.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    said = value.split() if isinstance(value, str) else value
    listed = said if isinstance(said, list) else []
    known = settings.oidc_roles or {role.value: role for role in Role}
    return frozenset(
        known[one] for one in listed if isinstance(one, str) and one in known
    )


def safe_url(url: str) -> bool:
    """Whether what is fetched there cannot be changed on the way."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    loopback = parts.host in ("127.0.0.1", "::1", "localhost")
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)


def _ask(http: httpx.Client, url: str) -> Mapping[str, Any]:
    """Fetch a JSON object. Raises IssuerError."""
    try:
        with http.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise IssuerError(f"it answered {answer.status_code}")
            body = b""
            for part in pieces(answer):
                body += part
                if len(body) > ANSWER_LIMIT:
                    raise IssuerError(f"it says more than {ANSWER_LIMIT} bytes")
        found = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise IssuerError(f"no usable answer: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise IssuerError("it answers with no JSON object")
    return found


def _named(found: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Keys by name. Raises IssuerError: no list of keys, or too many."""
    keys = found.get("keys")
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise IssuerError("its keys cannot be read")
    return {
        str(one.get("kid", "")): one
        for one in keys
        if isinstance(one, dict) and one.get("kty") != "oct"
    }
