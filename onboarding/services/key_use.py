"""Whose API key it is, how often it comes, and when it was last seen."""

import logging
from typing import TypeVar

from onboarding.services.certified import person_of
from onboarding.services.context import Context
from onboarding.services.oidc import Issuer
from onboarding.services.people import Person
from onboarding.services.rate_limit import too_many
from onboarding.services.rates import Buckets
from onboarding.store.apikeys import ApiKey
from onboarding.store.errors import StoreError

NOTED_EVERY = 60  # seconds: a use is written down no more often than that

T = TypeVar("T", ApiKey, Person)

log = logging.getLogger(__name__)


class KeyDesk:
    """Lets in who has a living key and does not come too often. Safe in any thread."""

    def __init__(
        self, context: Context, rates: Buckets, issuer: Issuer | None = None
    ) -> None:
        self._context = context
        self._rates = rates
        self._issuer = issuer

    def verify(self, token: str) -> ApiKey | Person:
        """Return the key that a token stands for, or the person it speaks of.

        Raises:
            ApiKeyRefused: As ``ApiKeyStore.verify`` and ``Issuer.verify``.
            Problem: 429.
        """
        now = self._context.now()
        if self._issuer is not None and token.count(".") == 2:
            return self._counted(self._issuer.verify(token))
        key = self._counted(self._context.stores.api_keys.verify(token, now))
        if key.last_used_at is None or now - key.last_used_at >= NOTED_EVERY:
            self._note(key, now)
        return key

    def certified(self, der: bytes) -> Person:
        """Return whom a client's certificate names. Raises as ``verify``."""
        settings, now = self._context.settings, self._context.now()
        return self._counted(person_of(der, settings.mtls_roles, now))

    def _counted(self, caller: T) -> T:
        """Raises Problem if that caller comes too often."""
        wait = self._rates.take(caller.id)
        if wait:
            raise too_many("this key", wait)
        return caller

    def _note(self, key: ApiKey, now: int) -> None:
        """A database that takes no more rows must still let its operator look."""
        try:
            self._context.stores.api_keys.used(key.id, now)
        except StoreError as error:
            log.warning("the use of key %s was not noted: %s", key.id, error)
