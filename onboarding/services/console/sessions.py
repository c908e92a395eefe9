"""Sessions of people: an API key once, then a cookie that opens nothing by itself.

The cookie is 32 random bytes of which only the SHA-256 is stored. Each request looks
the API key up again, so a session ends with its key, by logging out, after a while
without use, and at the latest after half a day. Source: ADR 22.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from onboarding.services.api.auth import actor
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.store.apikeys import ApiKey
from onboarding.store.errors import ApiKeyRefused
from onboarding.store.events import Event

LONGEST_SECONDS = 12 * 3600
_NOTED_EVERY = 30  # seconds; a page makes several requests
_SECRET_LIMIT = 64


class NotLoggedIn(Problem):
    """There is no session, or it is over."""

    def __init__(self) -> None:
        super().__init__(
            401, "not-logged-in", "Log in to see this.", remedy="Give your API key."
        )


@dataclass(frozen=True, slots=True)
class Session:
    """Whose browser asks; ``csrf`` is what its forms have to bring along."""

    key: ApiKey
    csrf: str = field(repr=False)


class Sessions:
    """Opens, checks and ends the sessions of one service."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def begin(self, token: str) -> str:
        """Return the secret of a new session for an API key.

        Raises:
            ApiKeyRefused: The key is not valid.
        """
        now, stores = self._context.now(), self._context.stores
        key = stores.api_keys.verify(token, now)
        if key.scopes or key.limits:  # pages are in no group, and of all devices
            raise ApiKeyRefused("a key that is limited opens no console")
        secret = new_secret()
        stores.sessions.prune(now - LONGEST_SECONDS, now - self._idle)
        stores.sessions.begin(_digest(secret), key.id, now)
        stores.events.append(Event("console.login", actor(key), now))
        return secret

    def of(self, secret: str | None, *, active: bool) -> Session:
        """The session of a cookie; ``active`` when a person does something.

        A page that brings itself up to date does not keep a session alive.

        Raises:
            NotLoggedIn: There is none, or its API key is dead.
        """
        if secret is None or not 0 < len(secret) <= _SECRET_LIMIT:
            raise NotLoggedIn
        now, digest = self._context.now(), _digest(secret)
        found = self._context.stores.sessions.find(digest)
        if found is None:
            raise NotLoggedIn
        if now >= min(found.begun + LONGEST_SECONDS, found.seen + self._idle):
            self.end(secret)
            raise NotLoggedIn
        try:
            key = self._context.stores.api_keys.living(found.key_id, now)
        except ApiKeyRefused as error:
            self.end(secret)
            raise NotLoggedIn from error
        if active and now >= found.seen + _NOTED_EVERY:
            self._context.stores.sessions.used(digest, now)
        return Session(key, csrf_of(secret))

    def end(self, secret: str) -> None:
        """End a session: no copy of its cookie is good for anything any more."""
        self._context.stores.sessions.end(_digest(secret))

    @property
    def _idle(self) -> int:
        return self._context.settings.console_idle_seconds


def new_secret() -> str:
    """What a browser is given to hold."""
    return secrets.token_urlsafe(32)


def csrf_of(secret: str) -> str:
    """What proves that a form came from a page of ours: only we and it know this."""
    word = b"vouchgate console csrf 1"
    mac = hmac.digest(secret.encode("utf-8", "surrogatepass"), word, "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
