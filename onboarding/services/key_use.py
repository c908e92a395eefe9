"""Whose API key it is, how often it comes, and when it was last seen."""

import logging

from onboarding.services.context import Context
from onboarding.services.rate_limit import too_many
from onboarding.services.rates import Buckets
from onboarding.store.apikeys import ApiKey
from onboarding.store.errors import StoreError

NOTED_EVERY = 60  # seconds: a use is written down no more often than that

log = logging.getLogger(__name__)


class KeyDesk:
    """Lets in who has a living key and does not come too often. Safe in any thread."""

    def __init__(self, context: Context, rates: Buckets) -> None:
        self._context = context
        self._rates = rates

    def verify(self, token: str) -> ApiKey:
        """Return the key that a token stands for.

        Raises:
            ApiKeyRefused: As ``ApiKeyStore.verify``.
            Problem: 429.
        """
        now = self._context.now()
        key = self._context.stores.api_keys.verify(token, now)
        wait = self._rates.take(key.id)
        if wait:
            raise too_many("this key", wait)
        if key.last_used_at is None or now - key.last_used_at >= NOTED_EVERY:
            self._note(key, now)
        return key

    def _note(self, key: ApiKey, now: int) -> None:
        """A database that takes no more rows must still let its operator look."""
        try:
            self._context.stores.api_keys.used(key.id, now)
        except StoreError as error:
            log.warning("the use of key %s was not noted: %s", key.id, error)
